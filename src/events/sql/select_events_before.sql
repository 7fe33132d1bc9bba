-- Newest events before one. Params: 1 merchant, 2 sequence excluded, 3 most rows. Index: primary key, backwards.
SELECT sequence, type, object_kind, object_id, object_version, previous, created_at, data
FROM event
WHERE merchant_id = $1 AND sequence < $2
ORDER BY sequence DESC
LIMIT $3
