-- The provider accounts of a merchant, without credentials. Params: 1 merchant. Index: primary key, in order.
SELECT account_id, number, connector, status, priority, created_at, updated_at
FROM provider_account
WHERE merchant_id = $1
ORDER BY account_id
