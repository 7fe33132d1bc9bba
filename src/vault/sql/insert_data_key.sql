-- A key of a merchant. Params: 1 merchant, 2 purpose, 3 version, 4 state, 5 master version, 6 now, 7 wrapped.
INSERT INTO data_key (merchant_id, purpose, version, state, master_version, created_at, wrapped) VALUES ($1, $2, $3, $4, $5, $6, $7)
