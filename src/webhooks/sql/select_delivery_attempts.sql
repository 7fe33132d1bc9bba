-- Attempts of a delivery. Params: 1 merchant, 2 endpoint, 3 sequence. Index: primary key.
SELECT number, created_at, status, duration_us, error, response
FROM delivery_attempt
WHERE merchant_id = $1 AND endpoint_id = $2 AND sequence = $3
ORDER BY number
