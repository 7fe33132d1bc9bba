-- Something that is to happen by itself.
-- params: merchant_id, due_at, what, reference
-- result: 1 changed; 0 when it is known. index: primary key
INSERT INTO due (merchant_id, due_at, what, reference) VALUES ($1, $2, $3, $4)
ON CONFLICT (merchant_id, due_at, what, reference) DO NOTHING
