-- The chain of a merchant after a number. Params: 1 merchant, 2 number excluded, 3 most rows. Index: primary key.
SELECT number, journal_upto, event_upto, hash
FROM chain
WHERE merchant_id = $1 AND number > $2
ORDER BY number
LIMIT $3
