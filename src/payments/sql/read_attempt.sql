-- One attempt of a payment. Params: 1 merchant, 2 payment, 3 number. Index: primary key.
SELECT state, amount, provider_account FROM attempt WHERE merchant_id = $1 AND payment_id = $2 AND number = $3
