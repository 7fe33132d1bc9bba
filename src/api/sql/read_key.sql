-- The key of a hash, with its merchant. Params: 1 hash. Result: merchant partition, hash, kind, api version, idempotency required.
-- merchant_id comes from the row: this is the one place that finds it. Index: api_key_hash.
SELECT k.merchant_id, k.hash, k.kind, k.api_version, m.idempotency_required
FROM api_key k
JOIN merchant m ON m.merchant_id = (k.merchant_id / 2) * 2
WHERE k.hash = $1 AND k.revoked_at = 0
