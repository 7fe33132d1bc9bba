-- Makes a payment method. Params: 1 merchant, 2 method, 3 customer or NULL, 4 state, 5 version, 6 last event, 7 created and
-- updated, 8 expiry month, 9 expiry year, 10 fingerprint, 11 token, 12 brand, 13 last four, 14 bin, 15 funding, 16 country,
-- 17 issuer, 18 network transaction id, 19 details. Index: primary key.
INSERT INTO payment_method (merchant_id, payment_method_id, customer_id, state, version, event_last, created_at, updated_at,
    card_exp_month, card_exp_year, card_fingerprint, token, card_brand, card_last_four, card_bin, card_funding, card_country,
    card_issuer, network_transaction_id, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
