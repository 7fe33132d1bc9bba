-- Where its requests with cards may go. Params: 1 permit, 2 time, 3 merchant, 4 account. Index: primary key. Result: one row changed when it exists.
UPDATE provider_account SET permit = $1, updated_at = $2
WHERE merchant_id = $3 AND account_id = $4
