-- The answer of a key. Params: 1 merchant, 2 key hash. Result: answer id, fingerprint, status, event sequence, body.
-- Index: primary keys.
SELECT i.answer_id, a.fingerprint, a.status, a.event_sequence, a.body
FROM idempotency i
JOIN answer a ON a.merchant_id = i.merchant_id AND a.answer_id = i.answer_id
WHERE i.merchant_id = $1 AND i.key_hash = $2
