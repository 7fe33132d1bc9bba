-- Writes a payment method back if nobody attached or detached it meanwhile. Params: 1 state, 2 version, 3 last event,
-- 4 updated, 5 details, 6 merchant, 7 method, 8 version as read. Index: primary key.
UPDATE payment_method
SET state = $1, version = $2, event_last = $3, updated_at = $4, details = $5
WHERE merchant_id = $6 AND payment_method_id = $7 AND version = $8
