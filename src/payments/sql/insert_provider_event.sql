-- A provider's webhook, waiting. Params: 1 merchant, 2 key, 3 account, 4 received, 5 the provider's id, 6 canonical form,
-- 7 dispute it is about, 8 its version there.
-- Result: one row changed when it is the first of its kind. Index: primary key.
INSERT INTO provider_event (merchant_id, event_key, provider_account, state, attempts, received_at, updated_at, event_id, payload, dispute, dispute_version)
VALUES ($1, $2, $3, 1, 0, $4, $4, $5, $6, $7, $8)
ON CONFLICT (merchant_id, event_key) DO NOTHING
