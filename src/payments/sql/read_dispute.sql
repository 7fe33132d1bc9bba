-- One dispute. Params: 1 merchant, 2 dispute. Index: primary key.
SELECT dispute_id, payment_id, state, version, amount, fee, held, currency, provider_account, provider_version, due_at, submitted_at,
    event_last, created_at, updated_at, provider_reference, acquirer_reference, reason, network_reason_code, evidence
FROM dispute
WHERE merchant_id = $1 AND dispute_id = $2
