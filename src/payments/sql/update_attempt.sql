-- Changes an attempt that is in the state it was read in. Params: 1 state, 2 decline, 3 updated, 4 provider reference, 5 network
-- reference, 6 authorization code, 7 provider code, 8 provider message (NULL keeps), 9 merchant, 10 payment, 11 number, 12 old state.
-- Index: primary key.
UPDATE attempt SET state = $1, decline = $2, updated_at = $3, provider_reference = COALESCE($4, provider_reference),
    network_reference = COALESCE($5, network_reference), authorization_code = COALESCE($6, authorization_code),
    provider_code = COALESCE($7, provider_code), provider_message = COALESCE($8, provider_message)
WHERE merchant_id = $9 AND payment_id = $10 AND number = $11 AND state = $12
