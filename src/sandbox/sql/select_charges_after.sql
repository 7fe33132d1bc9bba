-- A page of the book, in order of references; without reversals whose charge never came.
-- params: merchant_id, after this reference, at most
-- result: as select_charge. index: primary key
SELECT reference, charge_id, state, requested, amount, currency, capture, captured, refunded, calls, code, script
FROM charge WHERE merchant_id = $1 AND reference > $2 AND state <> 6
ORDER BY reference LIMIT $3
