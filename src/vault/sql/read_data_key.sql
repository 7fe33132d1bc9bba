-- A merchant's key by its version. Params: 1 merchant, 2 purpose, 3 version. Index: primary key. Result: version, master version, wrapped.
SELECT version, master_version, wrapped FROM data_key WHERE merchant_id = $1 AND purpose = $2 AND version = $3
