-- One client token. Params: 1 merchant, 2 hash. Index: primary key.
SELECT token_id, state, purpose, amount_min, amount_max, currency, created_at, expires_at, customer_id, checkout_id,
    payment_method_id, payment_id, origin, details
FROM client_token
WHERE merchant_id = $1 AND token_hash = $2
