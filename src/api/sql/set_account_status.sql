-- Params: 1 status, 2 time, 3 merchant, 4 account. Result: one row changed when it exists. Index: primary key.
UPDATE provider_account SET status = $1, updated_at = $2
WHERE merchant_id = $3 AND account_id = $4
