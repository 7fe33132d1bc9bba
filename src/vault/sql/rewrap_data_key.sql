-- The same key in another wrapping. Params: 1 master version, 2 wrapped, 3 merchant, 4 purpose, 5 version, 6 master version before.
-- Index: primary key. Result: one row changed.
UPDATE data_key SET master_version = $1, wrapped = $2
WHERE merchant_id = $3 AND purpose = $4 AND version = $5 AND master_version = $6
