-- A key that still seals cards. Params: 1 purpose, 2 state. Index: data_key_state. Result: merchant, version.
-- all merchants: whoever's turn it is.
SELECT merchant_id, version FROM data_key WHERE purpose = $1 AND state = $2 ORDER BY merchant_id, version LIMIT 1
