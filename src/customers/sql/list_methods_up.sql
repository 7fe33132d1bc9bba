-- A page of payment methods, oldest first. Params: 1 merchant, 2 cursor (exclusive), 3 and 4 created from and to, 5 state or 0,
-- 6 limit. Index: primary key, in order.
SELECT payment_method_id, customer_id, state, version, event_last, created_at, updated_at, token, card_brand, card_last_four,
    network_transaction_id, details, card_bin, card_funding, card_issuer, card_country, card_exp_month, card_exp_year,
    card_fingerprint
FROM payment_method
WHERE merchant_id = $1 AND payment_method_id > $2 AND created_at >= $3 AND created_at <= $4 AND ($5 = 0 OR state = $5)
ORDER BY payment_method_id ASC
LIMIT $6
