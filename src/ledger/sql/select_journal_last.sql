-- The last journal of a merchant. Params: 1 merchant. Index: primary key, backwards.
SELECT number
FROM journal
WHERE merchant_id = $1
ORDER BY number DESC
LIMIT 1
