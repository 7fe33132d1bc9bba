-- What is due, the oldest first.
-- params: merchant_id, now, at most
-- result: due_at, what, reference. index: primary key
SELECT due_at, what, reference FROM due WHERE merchant_id = $1 AND due_at <= $2 ORDER BY due_at LIMIT $3
