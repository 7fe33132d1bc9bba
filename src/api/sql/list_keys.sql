-- The keys of a merchant's partition. Params: 1 merchant. Result: id, kind, hint, name, version, created, revoked. Index: primary key.
SELECT key_id, kind, hint, name, api_version, created_at, revoked_at
FROM api_key
WHERE merchant_id = $1
ORDER BY key_id
