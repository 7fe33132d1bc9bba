-- Stores an answer once: a later one changes nothing. Params: 1 status, 2 event sequence, 3 body, 4 merchant, 5 answer id.
-- Index: primary key.
UPDATE answer SET status = $1, event_sequence = $2, body = $3
WHERE merchant_id = $4 AND answer_id = $5 AND status = 0
