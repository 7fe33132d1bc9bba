-- Makes a pending delivery. Params: 1 merchant, 2 endpoint, 3 sequence, 4 due at, 5 time. Index: primary key.
INSERT INTO delivery (merchant_id, endpoint_id, sequence, state, attempts, next_at, updated_at)
VALUES ($1, $2, $3, 1, 0, $4, $5)
