-- Changes an operation that is in the state it was read in. Params: 1 state, 2 updated, 3 provider reference, 4 provider code
-- (NULL keeps), 5 merchant, 6 payment, 7 number, 8 old state. Index: primary key.
UPDATE operation SET state = $1, updated_at = $2, provider_reference = COALESCE($3, provider_reference),
    provider_code = COALESCE($4, provider_code)
WHERE merchant_id = $5 AND payment_id = $6 AND number = $7 AND state = $8
