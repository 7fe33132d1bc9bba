-- It happened.
-- params: merchant_id, due_at, what, reference
-- result: 1 changed. index: primary key
DELETE FROM due WHERE merchant_id = $1 AND due_at = $2 AND what = $3 AND reference = $4
