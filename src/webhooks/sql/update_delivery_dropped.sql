-- Drops a pending delivery. Params: 1 time, 2 merchant, 3 endpoint, 4 sequence. Index: primary key.
UPDATE delivery SET state = 4, next_at = 0, updated_at = $1
WHERE merchant_id = $2 AND endpoint_id = $3 AND sequence = $4 AND state = 1
