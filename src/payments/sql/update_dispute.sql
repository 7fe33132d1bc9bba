-- Changes a dispute that is still as it was read. Params: 1 state, 2 version, 3 amount, 4 fee, 5 held, 6 the provider's version,
-- 7 due, 8 submitted, 9 last event, 10 updated, 11 acquirer reference, 12 reason, 13 network reason code, 14 evidence, 15 merchant,
-- 16 dispute, then as it was: 17 state, 18 version, 19 the provider's version. Index: primary key.
UPDATE dispute SET state = $1, version = $2, amount = $3, fee = $4, held = $5, provider_version = $6, due_at = $7,
    submitted_at = $8, event_last = $9, updated_at = $10, acquirer_reference = $11, reason = $12, network_reason_code = $13,
    evidence = $14
WHERE merchant_id = $15 AND dispute_id = $16 AND state = $17 AND version = $18 AND provider_version = $19
