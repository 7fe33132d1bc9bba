-- A token becomes a payment, once. Params: 1 payment, 2 updated, 3 merchant, 4 hash. Result: one row changed when it was not used before.
-- Index: primary key.
UPDATE client_token
SET state = 3, payment_id = $1, updated_at = $2
WHERE merchant_id = $3 AND token_hash = $4 AND state = 2
