-- A webhook for the outbox, not tried yet.
-- params: merchant_id, seq, event_id, charge_reference, subject, type, manner, state, created_ms, due_ms, url, secret, body
-- result: 1 changed. index: primary key
INSERT INTO notification (merchant_id, seq, event_id, charge_reference, subject, type, manner, state, created_ms, due_ms,
    attempts, sent_ms, status, answer, url, secret, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, '', $11, $12, $13)
