-- One charge.
-- params: merchant_id, reference
-- result: reference, charge_id, state, requested, amount, currency, capture, captured, refunded, calls, code, script.
-- index: primary key
SELECT reference, charge_id, state, requested, amount, currency, capture, captured, refunded, calls, code, script
FROM charge WHERE merchant_id = $1 AND reference = $2
