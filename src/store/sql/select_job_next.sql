-- When the next job of a kind is due. Params: 1 kind. Result: due at, or no row. Index: job_due.
-- all merchants: work is taken wherever it is due.
SELECT due_at FROM job WHERE kind = $1 ORDER BY due_at LIMIT 1
