-- A page of one payment's refunds, newest first. Params: 1 merchant, 2 payment, 3 cursor (exclusive), 4 and 5 created from and to,
-- 6 state or 0, 7 limit. Index: refund_payment.
SELECT refund_id, payment_id, state, version, amount, currency, provider_account, decline, event_last, created_at, updated_at,
    provider_reference, network_reference, details, acquirer_reference
FROM refund
WHERE merchant_id = $1 AND payment_id = $2 AND refund_id < $3 AND created_at >= $4 AND created_at <= $5
    AND ($6 = 0 OR state = $6)
ORDER BY refund_id DESC
LIMIT $7
