-- When the next one is due.
-- params: merchant_id, later than
-- result: due_ms. index: notification_due
SELECT due_ms FROM notification WHERE merchant_id = $1 AND due_ms > $2 ORDER BY due_ms LIMIT 1
