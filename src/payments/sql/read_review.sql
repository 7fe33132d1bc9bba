-- One review. Params: 1 merchant, 2 review. Index: primary key.
SELECT review_id, payment_id, kind, state, version, expected, seen, currency, event_last, created_at, updated_at, resolution, note
FROM review
WHERE merchant_id = $1 AND review_id = $2
