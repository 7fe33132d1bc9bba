-- The charges that the last run left in progress are decided now.
-- params: merchant_id
-- result: how many
-- scan: once, at start, before anything is answered
UPDATE due SET due_at = 0 WHERE merchant_id = $1 AND what = 1
