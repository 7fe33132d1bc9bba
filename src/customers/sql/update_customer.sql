-- Writes a customer back if it is still as it was read. Params: 1 state, 2 version, 3 updated, 4 name, 5 email, 6 phone,
-- 7 details, 8 merchant, 9 customer, 10 version as read. Index: primary key.
UPDATE customer
SET state = $1, version = $2, updated_at = $3, name = $4, email = $5, phone = $6, details = $7
WHERE merchant_id = $8 AND customer_id = $9 AND version = $10 AND state = 1
