-- What object an event is about. Params: 1 merchant, 2 sequence. Index: primary key.
SELECT object_id
FROM event
WHERE merchant_id = $1 AND sequence = $2
