-- Logs an attempt. Params: 1 merchant, 2 endpoint, 3 sequence, 4 number, 5 time, 6 HTTP status, 7 duration, 8 error,
-- 9 beginning of the answer. Index: primary key.
INSERT INTO delivery_attempt (merchant_id, endpoint_id, sequence, number, created_at, status, duration_us, error, response)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
