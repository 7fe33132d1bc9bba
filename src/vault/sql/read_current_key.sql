-- A merchant's current key. Params: 1 merchant, 2 purpose, 3 state. Index: primary key. Result: version, master version, wrapped.
SELECT version, master_version, wrapped FROM data_key WHERE merchant_id = $1 AND purpose = $2 AND state = $3
ORDER BY version DESC LIMIT 1
