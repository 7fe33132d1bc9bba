-- A page of payment methods with one card, newest first. Params: 1 merchant, 2 fingerprint, 3 cursor (exclusive), 4 and 5 created
-- from and to, 6 state or 0, 7 1: of a customer, 0: of all, 8 customer, 9 limit. Index: payment_method_fingerprint.
SELECT payment_method_id, customer_id, state, version, event_last, created_at, updated_at, token, card_brand, card_last_four,
    network_transaction_id, details, card_bin, card_funding, card_issuer, card_country, card_exp_month, card_exp_year,
    card_fingerprint
FROM payment_method
WHERE merchant_id = $1 AND card_fingerprint = $2 AND payment_method_id < $3 AND created_at >= $4 AND created_at <= $5
    AND ($6 = 0 OR state = $6) AND ($7 = 0 OR customer_id = $8)
ORDER BY payment_method_id DESC
LIMIT $9
