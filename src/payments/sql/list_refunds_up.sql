-- A page of refunds, oldest first. Params: 1 merchant, 2 cursor (exclusive), 3 and 4 created from and to, 5 state or 0, 6 limit.
-- Index: primary key, in order.
SELECT refund_id, payment_id, state, version, amount, currency, provider_account, decline, event_last, created_at, updated_at,
    provider_reference, network_reference, details, acquirer_reference
FROM refund
WHERE merchant_id = $1 AND refund_id > $2 AND created_at >= $3 AND created_at <= $4 AND ($5 = 0 OR state = $5)
ORDER BY refund_id ASC
LIMIT $6
