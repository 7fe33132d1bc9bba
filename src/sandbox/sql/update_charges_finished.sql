-- Takes the slow charges that the last run left in progress.
-- params: merchant_id
-- result: how many
-- scan: once, at start, before anything is answered
UPDATE charge SET state = 2 + capture, captured = amount * capture WHERE merchant_id = $1 AND state = 1
