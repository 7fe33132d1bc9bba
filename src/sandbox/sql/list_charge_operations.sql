-- The operations of a charge.
-- params: merchant_id, charge_reference, at most
-- result: reference. index: operation_by_charge
SELECT reference FROM operation WHERE merchant_id = $1 AND charge_reference = $2 ORDER BY reference LIMIT $3
