-- A new payment, in processing. Params: 1 merchant, 2 payment, 3 state, 4 amount, 5 currency, 6 capture, 7 provider account,
-- 8 time (created and updated), 9 token, 10 details, 11 three_ds, 12 exemption, 13 credential, 14 customer, 15 order, 16 payment method.
-- Index: primary key.
INSERT INTO payment (merchant_id, payment_id, state, version, amount, currency, capture, authorized, captured, refunded,
    refund_pending, provider_account, attempt, operations, decline, event_last, journal_last, created_at, updated_at, token, details,
    three_ds, exemption, credential, customer_id, order_id, payment_method_id)
VALUES ($1, $2, $3, 0, $4, $5, $6, 0, 0, 0, 0, $7, 1, 1, 0, 0, 0, $8, $8, $9, $10, $11, $12, $13, $14, $15, $16)
