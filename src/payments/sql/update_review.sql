-- Changes a review that is still open and as it was read. Params: 1 state, 2 version, 3 expected, 4 seen, 5 last event,
-- 6 updated, 7 resolution, 8 note, 9 merchant, 10 review, 11 old version. Index: primary key.
UPDATE review SET state = $1, version = $2, expected = $3, seen = $4, event_last = $5, updated_at = $6, resolution = $7, note = $8
WHERE merchant_id = $9 AND review_id = $10 AND version = $11
