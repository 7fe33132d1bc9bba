-- Makes a checkout. Params: 1 merchant, 2 checkout, 3 amount, 4 currency, 5 created and updated, 6 expires, 7 customer or NULL,
-- 8 locale or NULL, 9 details, 10 items. Index: primary key.
INSERT INTO checkout (merchant_id, checkout_id, state, version, amount, currency, created_at, updated_at, expires_at,
    customer_id, locale, details, items)
VALUES ($1, $2, 1, 1, $3, $4, $5, $5, $6, $7, $8, $9, $10)
