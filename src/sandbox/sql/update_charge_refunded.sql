-- Gives back a part of what was captured and not withdrawn by a chargeback, never more than that in sum.
-- params: amount, merchant_id, reference
-- result: 1 changed; 0 when that is not allowed. index: primary key
UPDATE charge SET refunded = refunded + $1
WHERE merchant_id = $2 AND reference = $3 AND captured > 0 AND captured - refunded - disputed >= $1
