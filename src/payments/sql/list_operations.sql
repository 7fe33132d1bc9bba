-- Captures and cancels of a payment, oldest first. Params: 1 merchant, 2 payment. Index: primary key, in order.
SELECT number, kind, state, amount, created_at, updated_at, provider_code, reason
FROM operation
WHERE merchant_id = $1 AND payment_id = $2
ORDER BY number
