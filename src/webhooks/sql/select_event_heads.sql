-- Types of the events after one, without their data. Params: 1 merchant, 2 sequence excluded, 3 limit.
-- Index: primary key.
SELECT sequence, type, created_at FROM event
WHERE merchant_id = $1 AND sequence > $2
ORDER BY sequence
LIMIT $3
