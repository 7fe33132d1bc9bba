-- Appends an event. Params: 1 merchant, 2 sequence, 3 type, 4 object kind, 5 object id, 6 object version, 7 previous,
-- 8 time, 9 data.
-- Index: primary key.
INSERT INTO event (merchant_id, sequence, type, object_kind, object_id, object_version, previous, created_at, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
