-- The next merchant that has any row here. Params: 1 merchant excluded. Index: primary keys.
-- all merchants: the verifier goes through all of them.
SELECT MIN(m.merchant_id)
FROM (SELECT MIN(merchant_id) AS merchant_id FROM sequencer WHERE merchant_id > $1
      UNION ALL SELECT MIN(merchant_id) FROM chain WHERE merchant_id > $1
      UNION ALL SELECT MIN(merchant_id) FROM journal WHERE merchant_id > $1
      UNION ALL SELECT MIN(merchant_id) FROM posting WHERE merchant_id > $1
      UNION ALL SELECT MIN(merchant_id) FROM event WHERE merchant_id > $1
      UNION ALL SELECT MIN(merchant_id) FROM balance_snapshot WHERE merchant_id > $1
      UNION ALL SELECT MIN(merchant_id) FROM payment WHERE merchant_id > $1) m
