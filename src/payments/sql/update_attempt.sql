-- Changes an attempt that is in the state it was read in. Params: 1 state, 2 decline, 3 updated; NULL keeps: 4 provider reference,
-- 5 network reference, 6 authorization code, 7 provider code, 8 provider message, 9 acquirer reference, 10 card brand, 11 last four
-- digits; 12 merchant, 13 payment, 14 number, 15 old state. Index: primary key.
UPDATE attempt SET state = $1, decline = $2, updated_at = $3, provider_reference = COALESCE($4, provider_reference),
    network_reference = COALESCE($5, network_reference), authorization_code = COALESCE($6, authorization_code),
    provider_code = COALESCE($7, provider_code), provider_message = COALESCE($8, provider_message),
    acquirer_reference = COALESCE($9, acquirer_reference), card_brand = COALESCE($10, card_brand),
    card_last_four = COALESCE($11, card_last_four)
WHERE merchant_id = $12 AND payment_id = $13 AND number = $14 AND state = $15
