-- What was sent for a charge and its operations.
-- params: merchant_id, charge_reference, at most
-- result: seq, event_id, charge_reference, subject, type, manner, state, created_ms, due_ms, attempts, sent_ms, status, answer, url, body.
-- index: notification_charge
SELECT seq, event_id, charge_reference, subject, type, manner, state, created_ms, due_ms, attempts, sent_ms, status, answer,
    url, body FROM notification
WHERE merchant_id = $1 AND charge_reference = $2 ORDER BY seq LIMIT $3
