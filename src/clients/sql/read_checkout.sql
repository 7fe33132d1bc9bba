-- One checkout. Params: 1 merchant, 2 checkout. Index: primary key.
SELECT checkout_id, state, version, amount, currency, created_at, expires_at, updated_at, customer_id, payment_id, locale,
    details, items
FROM checkout
WHERE merchant_id = $1 AND checkout_id = $2
