-- Params: 1 sealed credentials, 2 time, 3 merchant, 4 account. Index: primary key.
UPDATE provider_account SET credentials = $1, updated_at = $2
WHERE merchant_id = $3 AND account_id = $4
