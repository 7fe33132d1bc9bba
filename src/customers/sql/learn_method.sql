-- Fills in what is not known yet of a payment method. Params: 1 brand, 2 last four, 3 network transaction id, 4 merchant,
-- 5 method. Index: primary key.
UPDATE payment_method
SET card_brand = COALESCE(card_brand, $1), card_last_four = COALESCE(card_last_four, $2),
    network_transaction_id = COALESCE(network_transaction_id, $3)
WHERE merchant_id = $4 AND payment_method_id = $5
