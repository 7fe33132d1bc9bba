-- A page of customers, oldest first. Params: 1 merchant, 2 cursor (exclusive), 3 and 4 created from and to, 5 limit.
-- Index: primary key, in order.
SELECT customer_id, version, created_at, updated_at, name, email, phone, details
FROM customer
WHERE merchant_id = $1 AND customer_id > $2 AND created_at >= $3 AND created_at <= $4 AND state = 1
ORDER BY customer_id ASC
LIMIT $5
