-- What the writer committed last for this merchant, after any transaction of it that is still under way.
-- Params: 1 merchant, 2 writer, 3 now. Result: number. Index: primary key.
INSERT INTO commit_mark (merchant_id, writer_id, number, updated_at) VALUES ($1, $2, 0, $3)
ON CONFLICT (merchant_id, writer_id) DO UPDATE SET updated_at = excluded.updated_at
RETURNING number
