-- A new master key. Params: 1 zero, 2 version, 3 state, 4 source, 5 now, 6 check value, 7 wrapped form or null.
INSERT INTO master (merchant_id, version, state, source, created_at, check_value, wrapped) VALUES ($1, $2, $3, $4, $5, $6, $7)
