-- A page of reviews, oldest first. Params: 1 merchant, 2 cursor (exclusive), 3 and 4 created from and to, 5 state or 0, 6 payment or
-- the zero id, 7 the zero id, 8 limit. Index: primary key, in order.
SELECT review_id, payment_id, kind, state, version, expected, seen, currency, event_last, created_at, updated_at, resolution, note
FROM review
WHERE merchant_id = $1 AND review_id > $2 AND created_at >= $3 AND created_at <= $4 AND ($5 = 0 OR state = $5)
    AND (payment_id = $6 OR $6 = $7)
ORDER BY review_id ASC
LIMIT $8
