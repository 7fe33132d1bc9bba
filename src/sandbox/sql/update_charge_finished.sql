-- A slow charge is taken, unless it was reversed meanwhile.
-- params: merchant_id, reference
-- result: 1 changed; 0 when it was reversed. index: primary key
UPDATE charge SET state = 2 + capture, captured = amount * capture
WHERE merchant_id = $1 AND reference = $2 AND state = 1
