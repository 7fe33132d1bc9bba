-- Merchants that have a key for cards. Params: 1 purpose, 2 state, 3 merchant after which to begin, 4 limit.
-- Index: data_key_state. Result: merchant.
SELECT merchant_id FROM data_key WHERE purpose = $1 AND state = $2 AND merchant_id > $3 ORDER BY merchant_id LIMIT $4
