-- The number of the transaction that is about to be committed.
-- Params: 1 merchant, 2 writer, 3 number, 4 now. Index: primary key.
INSERT INTO commit_mark (merchant_id, writer_id, number, updated_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (merchant_id, writer_id) DO UPDATE SET number = excluded.number, updated_at = excluded.updated_at
