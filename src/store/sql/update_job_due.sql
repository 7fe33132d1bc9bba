-- Lets a free job be due earlier. Params: 1 due at, 2 merchant, 3 job. Index: primary key.
UPDATE job SET due_at = $1
WHERE merchant_id = $2 AND job_id = $3 AND lease_until = 0 AND due_at > $1
