-- The charge whose challenge it is, and what the issuer's page shows beyond the charge.
-- params: merchant_id, charge_id
-- result: reference, return_url, descriptor. index: charge_by_id
SELECT reference, return_url, descriptor FROM charge WHERE merchant_id = $1 AND charge_id = $2
