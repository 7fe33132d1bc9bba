-- Reverses a charge that is still in progress: it will be refused.
-- params: code, merchant_id, reference
-- result: 1 changed; 0 when it is not in progress. index: primary key
UPDATE charge SET state = 5, code = $1 WHERE merchant_id = $2 AND reference = $3 AND state = 1
