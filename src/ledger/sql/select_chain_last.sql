-- The chain's last row of a merchant. Params: 1 merchant. Index: primary key, backwards.
SELECT number, journal_upto, event_upto, hash
FROM chain
WHERE merchant_id = $1
ORDER BY number DESC
LIMIT 1
