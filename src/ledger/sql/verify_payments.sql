-- Payments after an id. Params: 1 merchant, 2 id excluded, 3 most rows. Index: primary key.
SELECT payment_id, currency, captured, refunded, refund_pending, event_last, journal_last, authorized, released, disputed,
    dispute_lost
FROM payment
WHERE merchant_id = $1 AND payment_id > $2
ORDER BY payment_id
LIMIT $3
