-- Gives a lease back. Params: 1 due at, 2 payload, 3 merchant, 4 job, 5 epoch of the lease.
-- Result: attempts (at the column's end they stop counting); no row when the lease was lost.
-- Index: primary key.
UPDATE job SET due_at = $1, lease_until = 0, payload = $2,
    attempts = CASE WHEN attempts < 32767 THEN attempts + 1 ELSE attempts END
WHERE merchant_id = $3 AND job_id = $4 AND epoch = $5 AND lease_until <> 0
RETURNING attempts
