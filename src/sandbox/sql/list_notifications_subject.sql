-- What was sent about an operation or a dispute.
-- params: merchant_id, subject, at most
-- result: as list_notifications_charge. index: notification_subject
SELECT seq, event_id, charge_reference, subject, type, manner, state, created_ms, due_ms, attempts, sent_ms, status, answer,
    url, body FROM notification
WHERE merchant_id = $1 AND subject = $2 ORDER BY seq LIMIT $3
