-- Claims a key. Params: 1 merchant, 2 key hash, 3 answer id. Result: one row changed when the key was free. Index: primary key.
INSERT INTO idempotency (merchant_id, key_hash, answer_id)
VALUES ($1, $2, $3)
ON CONFLICT (merchant_id, key_hash) DO NOTHING
