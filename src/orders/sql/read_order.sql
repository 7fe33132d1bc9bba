-- One order. Params: 1 merchant, 2 order. Index: primary key.
SELECT order_id, state, version, amount, currency, reserved, paid, refunded, customer_id, created_at, updated_at, details
FROM purchase
WHERE merchant_id = $1 AND order_id = $2
