-- Gives up an authorization.
-- params: merchant_id, reference
-- result: 1 changed; 0 when that is not allowed. index: primary key
UPDATE charge SET state = 4 WHERE merchant_id = $1 AND reference = $2 AND state = 2
