-- Legs of the journals of a range, in no order. Params: 1 merchant, 2 first journal excluded, 3 last included. Index: primary keys.
SELECT j.currency, p.account, p.unit, p.layer, p.amount
FROM journal j
JOIN posting p ON p.merchant_id = j.merchant_id AND p.journal = j.number
WHERE j.merchant_id = $1 AND j.number > $2 AND j.number <= $3
