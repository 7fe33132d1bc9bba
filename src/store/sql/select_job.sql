-- One job. Params: 1 merchant, 2 job. Result: kind, due at, epoch, lease until (0 free). Index: primary key.
SELECT kind, due_at, epoch, lease_until FROM job WHERE merchant_id = $1 AND job_id = $2
