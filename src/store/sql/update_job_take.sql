-- Leases one job by id, due or not, unless it is held.
-- Params: 1 new due at and lease end, 2 merchant, 3 job, 4 now. Index: primary key.
-- Result: kind, epoch, attempts, payload; no row when there is none or it is held.
UPDATE job SET due_at = $1, lease_until = $1, epoch = epoch + 1
WHERE merchant_id = $2 AND job_id = $3 AND lease_until <= $4
RETURNING kind, epoch, attempts, payload
