-- Journals of a range with their legs (NULL for a journal without). Params: 1 merchant, 2 first excluded, 3 last included.
-- Index: primary keys.
SELECT j.number, j.kind, j.currency, j.payment_id, j.operation_id, j.previous, j.recorded_at, j.effective_at,
       p.leg, p.account, p.unit, p.layer, p.amount
FROM journal j
LEFT JOIN posting p ON p.merchant_id = j.merchant_id AND p.journal = j.number
WHERE j.merchant_id = $1 AND j.number > $2 AND j.number <= $3
ORDER BY j.number, p.leg
