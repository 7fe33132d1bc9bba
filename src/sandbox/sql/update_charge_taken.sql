-- A slow charge, or an authenticated one, is taken.
-- params: until when it is held (unix seconds), merchant_id, reference
-- result: 1 changed; 0 when it was decided or reversed meanwhile. index: primary key
UPDATE charge SET state = 2 + capture, captured = amount * capture,
    capture_id = CASE WHEN capture = 1 THEN charge_id ELSE NULL END,
    capture_before = CASE WHEN capture = 1 THEN 0 ELSE $1 END, challenge = CASE WHEN challenge = 0 THEN 0 ELSE 3 END
WHERE merchant_id = $2 AND reference = $3 AND (state = 1 OR (state = 7 AND challenge = 2))
