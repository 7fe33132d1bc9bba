-- Writes a payment method back if it is still as it was read. Params: 1 customer or NULL, 2 state, 3 version, 4 last event,
-- 5 updated, 6 expiry month, 7 expiry year, 8 details, 9 merchant, 10 method, 11 state and 12 version as read. Index: primary key.
UPDATE payment_method
SET customer_id = $1, state = $2, version = $3, event_last = $4, updated_at = $5, card_exp_month = $6, card_exp_year = $7,
    details = $8
WHERE merchant_id = $9 AND payment_method_id = $10 AND state = $11 AND version = $12
