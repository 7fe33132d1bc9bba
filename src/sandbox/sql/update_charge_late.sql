-- The charge of a reversal that came first: refused.
-- params: requested, amount, currency, capture, code, merchant_id, reference
-- result: 1 changed. index: primary key
UPDATE charge SET state = 5, requested = $1, amount = $2, currency = $3, capture = $4, code = $5, calls = calls + 1
WHERE merchant_id = $6 AND reference = $7 AND state = 6
