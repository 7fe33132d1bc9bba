-- Frees every lease; the new epoch shuts out whoever held it. Params: 1 now. Index: none.
-- all merchants: at the start of the only owner.
-- scan: the table holds unfinished work alone; once per start.
UPDATE job SET due_at = $1, lease_until = 0, epoch = epoch + 1 WHERE lease_until <> 0
