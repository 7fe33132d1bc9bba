-- Counts one more request with a charge's reference.
-- params: merchant_id, reference
-- result: 1 changed. index: primary key
UPDATE charge SET calls = calls + 1 WHERE merchant_id = $1 AND reference = $2
