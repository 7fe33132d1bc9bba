-- What became of an attempt.
-- params: state, due_ms, attempts, sent_ms, status, answer, merchant_id, seq
-- result: 1 changed. index: primary key
UPDATE notification SET state = $1, due_ms = $2, attempts = $3, sent_ms = $4, status = $5, answer = $6
WHERE merchant_id = $7 AND seq = $8
