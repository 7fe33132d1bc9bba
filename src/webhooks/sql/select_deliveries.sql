-- Deliveries of an endpoint, newest first. Params: 1 merchant, 2 endpoint, 3 sequence excluded, 4 limit.
-- Index: primary keys.
SELECT d.sequence, d.state, d.next_at, e.created_at
FROM delivery d
JOIN event e ON e.merchant_id = d.merchant_id AND e.sequence = d.sequence
WHERE d.merchant_id = $1 AND d.endpoint_id = $2 AND d.sequence < $3
ORDER BY d.sequence DESC
LIMIT $4
