-- How many keys a master key wraps. Params: 1 master version. Index: data_key_master.
-- all merchants: a master key wraps everybody's.
SELECT count(*) FROM data_key WHERE master_version = $1
