-- Changes a refund that is in the state it was read in. Params: 1 state, 2 version, 3 decline, 4 last event, 5 updated, 6 provider
-- reference, 7 network reference, 8 acquirer reference (NULL keeps), 9 merchant, 10 refund, 11 old state. Index: primary key.
UPDATE refund SET state = $1, version = $2, decline = $3, event_last = $4, updated_at = $5,
    provider_reference = COALESCE($6, provider_reference), network_reference = COALESCE($7, network_reference),
    acquirer_reference = COALESCE($8, acquirer_reference)
WHERE merchant_id = $9 AND refund_id = $10 AND state = $11
