-- A refund about to be sent. Params: 1 merchant, 2 refund, 3 payment, 4 state, 5 amount, 6 currency, 7 provider account, 8 time,
-- 9 details. Index: primary key.
INSERT INTO refund (merchant_id, refund_id, payment_id, state, version, amount, currency, provider_account, decline, event_last,
    created_at, updated_at, details)
VALUES ($1, $2, $3, $4, 0, $5, $6, $7, 0, 0, $8, $8, $9)
