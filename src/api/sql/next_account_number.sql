-- The highest provider account number of a merchant. Params: 1 merchant. Index: (merchant_id, number).
SELECT number FROM provider_account WHERE merchant_id = $1 ORDER BY number DESC LIMIT 1
