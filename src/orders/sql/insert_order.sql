-- Makes an order. Params: 1 merchant, 2 order, 3 amount, 4 currency, 5 customer or NULL, 6 created and updated, 7 details.
-- Index: primary key.
INSERT INTO purchase (merchant_id, order_id, state, version, amount, currency, reserved, paid, refunded, customer_id, created_at,
    updated_at, details)
VALUES ($1, $2, 1, 1, $3, $4, 0, 0, 0, $5, $6, $6, $7)
