-- Writes a checkout back if it is still as it was read. Params: 1 state, 2 version, 3 updated, 4 payment or NULL, 5 merchant, 6 checkout,
-- 7 version as read. Index: primary key.
UPDATE checkout
SET state = $1, version = $2, updated_at = $3, payment_id = $4
WHERE merchant_id = $5 AND checkout_id = $6 AND version = $7
