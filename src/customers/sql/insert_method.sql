-- Saves a payment method, attached. Params: 1 merchant, 2 method, 3 customer or NULL, 4 last event, 5 created and updated,
-- 6 token, 7 brand, 8 last four, 9 network transaction id, 10 details. Index: primary key.
INSERT INTO payment_method (merchant_id, payment_method_id, customer_id, state, version, event_last, created_at, updated_at,
    token, card_brand, card_last_four, network_transaction_id, details)
VALUES ($1, $2, $3, 1, 1, $4, $5, $5, $6, $7, $8, $9, $10)
