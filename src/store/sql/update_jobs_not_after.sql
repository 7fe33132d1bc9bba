-- No free job of a kind waits beyond a moment: its time came from a clock that was ahead. Params: 1 the moment, 2 kind.
-- Index: job_due.
-- all merchants: at the start of a node.
UPDATE job SET due_at = $1 WHERE kind = $2 AND due_at > $1 AND lease_until = 0
