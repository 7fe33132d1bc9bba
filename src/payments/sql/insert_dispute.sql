-- A dispute that a provider told of. Params: 1 merchant, 2 dispute, 3 payment, 4 state, 5 version, 6 amount, 7 fee, 8 held,
-- 9 currency, 10 provider account, 11 the provider's version, 12 due, 13 submitted, 14 last event, 15 time, 16 provider reference,
-- 17 acquirer reference, 18 reason, 19 network reason code. Index: primary key.
INSERT INTO dispute (merchant_id, dispute_id, payment_id, state, version, amount, fee, held, currency, provider_account,
    provider_version, due_at, submitted_at, event_last, created_at, updated_at, provider_reference, acquirer_reference, reason,
    network_reason_code, evidence)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16, $17, $18, $19, '{}')
