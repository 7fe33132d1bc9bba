-- A journal with its legs, for one payment's list. Params: 1 merchant, 2 number. Index: primary keys.
SELECT j.kind, j.currency, j.payment_id, j.previous, p.account, p.layer, p.amount
FROM journal j
LEFT JOIN posting p ON p.merchant_id = j.merchant_id AND p.journal = j.number
WHERE j.merchant_id = $1 AND j.number = $2
ORDER BY p.leg
