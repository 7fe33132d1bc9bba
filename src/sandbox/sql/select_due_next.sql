-- When the next thing is due.
-- params: merchant_id
-- result: due_at. index: primary key
SELECT due_at FROM due WHERE merchant_id = $1 ORDER BY due_at LIMIT 1
