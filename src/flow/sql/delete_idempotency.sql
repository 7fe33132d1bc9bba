-- Gives a key back. Params: 1 merchant, 2 key hash, 3 answer id. Index: primary key.
DELETE FROM idempotency WHERE merchant_id = $1 AND key_hash = $2 AND answer_id = $3
