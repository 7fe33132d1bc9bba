-- Holds more, while nothing was captured.
-- params: amount, merchant_id, reference, now (unix seconds)
-- result: 1 changed; 0 when that is not allowed. index: primary key
UPDATE charge SET amount = amount + $1
WHERE merchant_id = $2 AND reference = $3 AND state = 2 AND captured = 0 AND 4611686018427387903 - amount >= $1
    AND (capture_before = 0 OR capture_before > $4)
