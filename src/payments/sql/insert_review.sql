-- A review that is open. Params: 1 merchant, 2 review, 3 payment, 4 kind, 5 state, 6 version, 7 expected, 8 seen, 9 currency,
-- 10 last event, 11 time. Index: primary key.
INSERT INTO review (merchant_id, review_id, payment_id, kind, state, version, expected, seen, currency, event_last, created_at,
    updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
