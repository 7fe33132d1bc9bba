-- Adds a file to a dispute, or puts it in the place of another. Params: 1 merchant, 2 dispute, 3 number, 4 purpose, 5 name, 6 content
-- type, 7 size, 8 hash, 9 time, 10 content. Index: primary key.
INSERT INTO dispute_file (merchant_id, dispute_id, number, purpose, name, content_type, size, hash, created_at, content)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (merchant_id, dispute_id, number) DO UPDATE
SET purpose = excluded.purpose, content_type = excluded.content_type, size = excluded.size, hash = excluded.hash,
    created_at = excluded.created_at, content = excluded.content
