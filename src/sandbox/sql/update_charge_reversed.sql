-- Reverses a charge that is not decided yet: it is refused.
-- params: code, merchant_id, reference, the state it has to be in
-- result: 1 changed; 0 when it is not in that state. index: primary key
UPDATE charge SET state = 5, code = $1, challenge = CASE WHEN challenge = 0 THEN 0 ELSE 3 END
WHERE merchant_id = $2 AND reference = $3 AND state = $4
