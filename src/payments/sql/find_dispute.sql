-- One dispute by the provider's name of it. Params: 1 merchant, 2 provider account, 3 provider reference.
-- Index: UNIQUE (merchant_id, provider_account, provider_reference).
SELECT dispute_id, payment_id, state, version, amount, fee, held, currency, provider_account, provider_version, due_at, submitted_at,
    event_last, created_at, updated_at, provider_reference, acquirer_reference, reason, network_reason_code, evidence
FROM dispute
WHERE merchant_id = $1 AND provider_account = $2 AND provider_reference = $3
