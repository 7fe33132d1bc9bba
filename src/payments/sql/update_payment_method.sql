-- Another card is tried: the payment method is another. Params: 1 payment method or NULL, 2 merchant, 3 payment.
-- Index: primary key.
UPDATE payment SET payment_method_id = $1 WHERE merchant_id = $2 AND payment_id = $3
