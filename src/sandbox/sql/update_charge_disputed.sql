-- A chargeback withdraws funds, or gives them back (a negative amount); never more than was captured.
-- params: amount, merchant_id, reference
-- result: 1 changed; 0 when that is not allowed. index: primary key
UPDATE charge SET disputed = disputed + $1
WHERE merchant_id = $2 AND reference = $3 AND disputed + $1 >= 0 AND captured - disputed >= $1
