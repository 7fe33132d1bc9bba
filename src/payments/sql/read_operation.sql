-- Params: 1 merchant, 2 payment, 3 number. Result: kind, state, amount, attempt, final. Index: primary key.
SELECT kind, state, amount, attempt, final FROM operation WHERE merchant_id = $1 AND payment_id = $2 AND number = $3
