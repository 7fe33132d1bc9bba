-- Writes an order back if it is still as it was read. Params: 1 state, 2 version, 3 reserved, 4 paid, 5 refunded, 6 updated,
-- 7 details, 8 merchant, 9 order, 10 version as read. Index: primary key.
UPDATE purchase
SET state = $1, version = $2, reserved = $3, paid = $4, refunded = $5, updated_at = $6, details = $7
WHERE merchant_id = $8 AND order_id = $9 AND version = $10
