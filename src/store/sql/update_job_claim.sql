-- Leases a job that nobody took since it was read.
-- Params: 1 new due at and lease end, 2 merchant, 3 job, 4 epoch as read. Index: primary key.
-- Result: one row changed when it is ours; its epoch is then one more.
UPDATE job SET due_at = $1, lease_until = $1, epoch = epoch + 1
WHERE merchant_id = $2 AND job_id = $3 AND epoch = $4
