-- A capture, cancel or increment about to be sent. Params: 1 merchant, 2 payment, 3 number, 4 kind, 5 state, 6 amount, 7 attempt, 8 time,
-- 9 reason, 10 final. Index: primary key.
INSERT INTO operation (merchant_id, payment_id, number, kind, state, amount, attempt, created_at, updated_at, reason, final)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10)
