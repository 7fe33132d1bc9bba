-- Gives an expired key to a new request. Params: 1 new answer id, 2 merchant, 3 key hash, 4 old answer id. Index: primary key.
UPDATE idempotency SET answer_id = $1
WHERE merchant_id = $2 AND key_hash = $3 AND answer_id = $4
