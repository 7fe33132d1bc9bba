-- Adds a job. Params: 1 merchant, 2 job, 3 kind, 4 due at, 5 epoch, 6 lease until, 7 attempts,
-- 8 payload. Index: primary key.
INSERT INTO job (merchant_id, job_id, kind, due_at, epoch, lease_until, attempts, payload)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
