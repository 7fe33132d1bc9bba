-- Captures an authorized charge, once, up to its amount.
-- params: captured, merchant_id, reference
-- result: 1 changed; 0 when that is not allowed. index: primary key
UPDATE charge SET state = 3, captured = $1
WHERE merchant_id = $2 AND reference = $3 AND state = 2 AND captured = 0 AND amount >= $1
