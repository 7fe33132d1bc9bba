-- The legs of a journal. Params: 1 merchant, 2 journal. Index: primary key.
SELECT account, unit, layer, amount
FROM posting
WHERE merchant_id = $1 AND journal = $2
ORDER BY leg
