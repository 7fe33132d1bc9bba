-- An object is found by a value from now on, if it was not already. Params: 1 merchant, 2 object, 3 kind, 4 value, 5 the
-- object's id. Index: primary key.
INSERT INTO lookup (merchant_id, object, kind, value, object_id)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
