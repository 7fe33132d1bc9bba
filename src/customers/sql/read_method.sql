-- One payment method. Params: 1 merchant, 2 method. Index: primary key.
SELECT payment_method_id, customer_id, state, version, event_last, created_at, updated_at, token, card_brand, card_last_four,
    network_transaction_id, details, card_bin, card_funding, card_issuer, card_country, card_exp_month, card_exp_year,
    card_fingerprint
FROM payment_method
WHERE merchant_id = $1 AND payment_method_id = $2
