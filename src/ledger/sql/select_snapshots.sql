-- Snapshots of a merchant. Params: 1 merchant. Index: primary key.
SELECT currency, account, unit, journal_upto, pending, posted
FROM balance_snapshot
WHERE merchant_id = $1
ORDER BY currency, account, unit
