-- Objects that are found by a value, newest first. Params: 1 merchant, 2 object, 3 kind, 4 value, 5 cursor (exclusive),
-- 6 limit. Index: primary key, in order.
SELECT object_id
FROM lookup
WHERE merchant_id = $1 AND object = $2 AND kind = $3 AND value = $4 AND object_id < $5
ORDER BY object_id DESC
LIMIT $6
