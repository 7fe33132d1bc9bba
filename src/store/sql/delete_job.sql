-- A job is done. Params: 1 merchant, 2 job, 3 epoch of the lease. Index: primary key.
-- Result: one row changed unless the lease was lost.
DELETE FROM job WHERE merchant_id = $1 AND job_id = $2 AND epoch = $3 AND lease_until <> 0
