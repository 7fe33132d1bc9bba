-- Captures a part of what is held, or all; the last capture gives up the rest.
-- params: amount, is it the last, operation_id, merchant_id, reference, now (unix seconds)
-- result: 1 changed; 0 when that is not allowed. index: primary key
UPDATE charge SET captured = captured + $1,
    released = CASE WHEN $2 = 1 THEN amount - captured - $1 ELSE released END,
    state = CASE WHEN $2 = 1 OR amount - captured - released = $1 THEN 3 ELSE 2 END,
    capture_id = CASE WHEN captured = 0 THEN $3 ELSE capture_id END
WHERE merchant_id = $4 AND reference = $5 AND state = 2 AND amount - captured - released >= $1
    AND (capture_before = 0 OR capture_before > $6)
