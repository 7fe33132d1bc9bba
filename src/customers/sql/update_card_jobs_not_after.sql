-- What the vault is to be told waits beyond a moment only where the day of a card of nobody has not ended: another time came from a
-- clock that was ahead. Params: 1 the moment, 2 kind of job, 3 state of such a method.
-- Index: job_due.
-- all merchants: at the start of a node.
UPDATE job SET due_at = $1 WHERE kind = $2 AND due_at > $1 AND lease_until = 0
    AND NOT EXISTS (SELECT 1 FROM payment_method m WHERE m.merchant_id = job.merchant_id AND m.payment_method_id = job.job_id AND m.state = $3)
