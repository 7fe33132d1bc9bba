-- One refund. Params: 1 merchant, 2 refund. Index: primary key.
SELECT refund_id, payment_id, state, version, amount, currency, provider_account, decline, event_last, created_at, updated_at,
    provider_reference, network_reference, details, acquirer_reference
FROM refund
WHERE merchant_id = $1 AND refund_id = $2
