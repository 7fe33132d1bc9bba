-- Makes a client token. Params: 1 merchant, 2 hash, 3 id, 4 purpose, 5 least and 6 most amount, 7 currency or 0, 8 created and updated,
-- 9 expires, 10 customer or NULL, 11 checkout or NULL, 12 origin, 13 details. Index: primary key.
INSERT INTO client_token (merchant_id, token_hash, token_id, state, purpose, amount_min, amount_max, currency, created_at,
    updated_at, expires_at, customer_id, checkout_id, origin, details)
VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, $8, $9, $10, $11, $12, $13)
