-- How many postings, and how many journals that belong to a payment. Params: 1 merchant, 2 the zero id. Index: primary keys.
-- scan: the verifier reads everything
SELECT (SELECT COUNT(*) FROM posting WHERE merchant_id = $1),
       (SELECT COUNT(*) FROM journal WHERE merchant_id = $1 AND payment_id <> $2)
