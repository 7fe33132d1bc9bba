-- A new attempt. Params: 1 merchant, 2 payment, 3 number, 4 state, 5 provider account, 6 amount, 7 time. Index: primary key.
INSERT INTO attempt (merchant_id, payment_id, number, state, provider_account, amount, decline, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $7)
