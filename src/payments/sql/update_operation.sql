-- Changes an operation that is in the state it was read in. Params: 1 state, 2 updated, 3 provider reference, 4 provider code,
-- 5 acquirer reference (NULL keeps each), 6 merchant, 7 payment, 8 number, 9 old state. Index: primary key.
UPDATE operation SET state = $1, updated_at = $2, provider_reference = COALESCE($3, provider_reference),
    provider_code = COALESCE($4, provider_code), acquirer_reference = COALESCE($5, acquirer_reference)
WHERE merchant_id = $6 AND payment_id = $7 AND number = $8 AND state = $9
