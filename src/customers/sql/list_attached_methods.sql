-- Payment methods of a customer that are attached. Params: 1 merchant, 2 customer, 3 limit. Index: payment_method_customer.
SELECT payment_method_id
FROM payment_method
WHERE merchant_id = $1 AND customer_id = $2 AND state = 1
ORDER BY payment_method_id
LIMIT $3
