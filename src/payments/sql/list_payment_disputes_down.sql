-- A page of one payment's disputes, newest first. Params: 1 merchant, 2 payment, 3 cursor (exclusive), 4 and 5 created from and to,
-- 6 state or 0, 7 limit. Index: dispute_payment.
SELECT dispute_id, payment_id, state, version, amount, fee, held, currency, provider_account, provider_version, due_at, submitted_at,
    event_last, created_at, updated_at, provider_reference, acquirer_reference, reason, network_reason_code, evidence
FROM dispute
WHERE merchant_id = $1 AND payment_id = $2 AND dispute_id < $3 AND created_at >= $4 AND created_at <= $5
    AND ($6 = 0 OR state = $6)
ORDER BY dispute_id DESC
LIMIT $7
