-- One event. Params: 1 merchant, 2 sequence. Index: primary key.
SELECT sequence, type, object_kind, object_id, object_version, previous, created_at, data
FROM event
WHERE merchant_id = $1 AND sequence = $2
