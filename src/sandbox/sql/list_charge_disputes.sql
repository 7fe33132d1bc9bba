-- The disputes of a charge.
-- params: merchant_id, charge_reference, at most
-- result: dispute_id. index: dispute_by_charge
SELECT dispute_id FROM dispute WHERE merchant_id = $1 AND charge_reference = $2 ORDER BY dispute_id LIMIT $3
