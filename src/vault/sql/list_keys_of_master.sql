-- Keys that a master key wraps. Params: 1 master version, 2 limit. Index: data_key_master.
-- Result: merchant, purpose, version, master version, wrapped.
-- all merchants: a master key wraps everybody's.
SELECT merchant_id, purpose, version, master_version, wrapped FROM data_key WHERE master_version = $1 LIMIT $2
