-- Params: 1 merchant, 2 payment, 3 number. Result: state. Index: primary key.
SELECT state FROM attempt WHERE merchant_id = $1 AND payment_id = $2 AND number = $3
