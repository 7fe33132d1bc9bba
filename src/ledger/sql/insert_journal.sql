-- Appends a journal. Params: 1 merchant, 2 number, 3 kind, 4 currency, 5 payment, 6 operation, 7 previous, 8 recorded,
-- 9 effective.
-- Index: primary key.
INSERT INTO journal (merchant_id, number, kind, currency, payment_id, operation_id, previous, recorded_at, effective_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
