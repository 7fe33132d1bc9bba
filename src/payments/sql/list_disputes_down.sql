-- A page of disputes, newest first. Params: 1 merchant, 2 cursor (exclusive), 3 and 4 created from and to, 5 state or 0, 6 limit.
-- Index: primary key, in order.
SELECT dispute_id, payment_id, state, version, amount, fee, held, currency, provider_account, provider_version, due_at, submitted_at,
    event_last, created_at, updated_at, provider_reference, acquirer_reference, reason, network_reason_code, evidence
FROM dispute
WHERE merchant_id = $1 AND dispute_id < $2 AND created_at >= $3 AND created_at <= $4 AND ($5 = 0 OR state = $5)
ORDER BY dispute_id DESC
LIMIT $6
