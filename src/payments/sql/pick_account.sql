-- The provider account for a new payment: the enabled one of least priority number, the newest among equals. Params: 1 merchant.
-- Result: id, number. Index: primary key (a handful of rows per merchant).
SELECT account_id, number
FROM provider_account
WHERE merchant_id = $1 AND status = 1
ORDER BY priority, number DESC
LIMIT 1
