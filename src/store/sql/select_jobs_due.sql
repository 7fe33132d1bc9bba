-- What may be claimed, oldest first. Params: 1 kind, 2 now, 3 limit. Index: job_due.
-- Result: merchant, job, epoch, attempts, payload.
-- all merchants: work is taken wherever it is due.
SELECT merchant_id, job_id, epoch, attempts, payload FROM job
WHERE kind = $1 AND due_at <= $2
ORDER BY due_at
LIMIT $3
