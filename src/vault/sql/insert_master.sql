-- A new master key. Params: 1 zero, 2 version, 3 state, 4 source, 5 now, 6 check value.
INSERT INTO master (merchant_id, version, state, source, created_at, check_value) VALUES ($1, $2, $3, $4, $5, $6)
