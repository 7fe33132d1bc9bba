-- What is needed to send one once more.
-- params: merchant_id, seq
-- result: event_id, charge_reference, subject, type, url, secret, body. index: primary key
SELECT event_id, charge_reference, subject, type, url, secret, body FROM notification WHERE merchant_id = $1 AND seq = $2
