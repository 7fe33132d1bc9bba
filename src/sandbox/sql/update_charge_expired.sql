-- A hold ends by itself.
-- params: merchant_id, reference
-- result: 1 changed; 0 when nothing is held. index: primary key
UPDATE charge SET state = 8, released = amount - captured WHERE merchant_id = $1 AND reference = $2 AND state = 2
