-- Merchants with a long tail. Params: 1 longest tail that is left alone, 2 limit. Index: primary keys.
-- all merchants: housekeeping.
-- scan: the sequencer has one row per merchant.
SELECT s.merchant_id
FROM sequencer s
WHERE s.journal_last - $1 > COALESCE((SELECT MAX(b.journal_upto) FROM balance_snapshot b WHERE b.merchant_id = s.merchant_id), 0)
ORDER BY s.merchant_id
LIMIT $2
