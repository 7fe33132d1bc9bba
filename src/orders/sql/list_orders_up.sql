-- A page of orders, oldest first. Params: 1 merchant, 2 cursor (exclusive), 3 and 4 created from and to, 5 state or 0,
-- 6 currency or 0, 7 amount or 0, 8 limit. Index: primary key, in order.
SELECT order_id, state, version, amount, currency, reserved, paid, refunded, customer_id, created_at, updated_at, details
FROM purchase
WHERE merchant_id = $1 AND order_id > $2 AND created_at >= $3 AND created_at <= $4
    AND ($5 = 0 OR state = $5) AND ($6 = 0 OR currency = $6) AND ($7 = 0 OR amount = $7)
ORDER BY order_id ASC
LIMIT $8
