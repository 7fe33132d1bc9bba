-- Every key. Params: 1 purpose. Index: primary key, whole.
-- Result: merchant, purpose, version, master version, wrapped.
-- all merchants: a restored vault is tried.
SELECT merchant_id, purpose, version, master_version, wrapped FROM data_key WHERE purpose >= $1 ORDER BY merchant_id, purpose, version
