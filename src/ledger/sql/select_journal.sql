-- One journal. Params: 1 merchant, 2 number. Index: primary key.
SELECT kind, currency, payment_id, operation_id, previous, recorded_at, effective_at
FROM journal
WHERE merchant_id = $1 AND number = $2
