-- The enabled provider accounts of a merchant, in no order: the caller chooses (for a sort SQLite builds a temporary table each
-- time). Params: 1 merchant. Result: id, number, priority. Index: primary key (a handful of rows per merchant).
SELECT account_id, number, priority
FROM provider_account
WHERE merchant_id = $1 AND status = 1
