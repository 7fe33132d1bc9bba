-- Params: 1 time, 2 merchant, 3 key id. Result: one row changed when it was valid. Index: primary key.
UPDATE api_key SET revoked_at = $1
WHERE merchant_id = $2 AND key_id = $3 AND revoked_at = 0
