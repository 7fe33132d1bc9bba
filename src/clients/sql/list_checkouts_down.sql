-- A page of checkouts, newest first. Params: 1 merchant, 2 cursor (exclusive), 3 and 4 created from and to, 5 limit.
-- Index: primary key, in order.
SELECT checkout_id, state, version, amount, currency, created_at, expires_at, updated_at, customer_id, payment_id, locale,
    details, items
FROM checkout
WHERE merchant_id = $1 AND checkout_id < $2 AND created_at >= $3 AND created_at <= $4
ORDER BY checkout_id DESC
LIMIT $5
