-- A card was given under a token. Params: 1 payment method, 2 updated, 3 merchant, 4 hash. Result: one row changed when none was given before.
-- Index: primary key.
UPDATE client_token
SET state = 2, payment_method_id = $1, updated_at = $2
WHERE merchant_id = $3 AND token_hash = $4 AND state = 1
