-- Writes another payload while the lease is kept. Params: 1 payload, 2 merchant, 3 job, 4 epoch of the lease. Index: primary key.
UPDATE job SET payload = $1
WHERE merchant_id = $2 AND job_id = $3 AND epoch = $4 AND lease_until <> 0
