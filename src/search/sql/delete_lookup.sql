-- An object is no longer found by a value. Params: 1 merchant, 2 object, 3 kind, 4 value, 5 the object's id. Index: primary key.
DELETE FROM lookup WHERE merchant_id = $1 AND object = $2 AND kind = $3 AND value = $4 AND object_id = $5
