-- The least schema version that a program must know. Params: 1 merchant 0. Index: primary key.
SELECT version FROM schema_floor WHERE merchant_id = $1
