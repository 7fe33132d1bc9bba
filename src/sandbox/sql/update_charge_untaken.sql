-- A slow charge, or an authenticated one, is refused.
-- params: code, merchant_id, reference
-- result: 1 changed; 0 when it was decided or reversed meanwhile. index: primary key
UPDATE charge SET state = 5, code = $1, challenge = CASE WHEN challenge = 0 THEN 0 ELSE 3 END
WHERE merchant_id = $2 AND reference = $3 AND (state = 1 OR (state = 7 AND challenge = 2))
