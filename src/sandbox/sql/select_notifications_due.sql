-- What is to be sent next, the longest due first.
-- params: merchant_id, due not after, at most
-- result: seq, charge_reference, manner, attempts, url, secret, body. index: notification_due
SELECT seq, charge_reference, manner, attempts, url, secret, body FROM notification
WHERE merchant_id = $1 AND due_ms <= $2 ORDER BY due_ms, seq LIMIT $3
