-- After an attempt. Params: 1 state, 2 attempts, 3 due at, 4 time, 5 merchant, 6 endpoint, 7 sequence.
-- Index: primary key. What has succeeded or failed stays so.
UPDATE delivery SET state = $1, attempts = $2, next_at = $3, updated_at = $4
WHERE merchant_id = $5 AND endpoint_id = $6 AND sequence = $7 AND state IN (1, 4)
