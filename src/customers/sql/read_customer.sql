-- One customer that was not deleted. Params: 1 merchant, 2 customer. Index: primary key.
SELECT customer_id, version, created_at, updated_at, name, email, phone, details
FROM customer
WHERE merchant_id = $1 AND customer_id = $2 AND state = 1
