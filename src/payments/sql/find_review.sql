-- The open review of a payment, of one kind. Params: 1 merchant, 2 state open, 3 payment, 4 kind. Index: review_payment.
SELECT review_id, payment_id, kind, state, version, expected, seen, currency, event_last, created_at, updated_at, resolution, note
FROM review
WHERE merchant_id = $1 AND state = $2 AND payment_id = $3 AND kind = $4
ORDER BY review_id DESC
LIMIT 1
