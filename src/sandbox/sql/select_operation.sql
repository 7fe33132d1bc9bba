-- One capture, void or refund.
-- params: merchant_id, reference
-- result: reference, operation_id, kind, charge_reference, charge_id, amount, currency, code. index: primary key
SELECT reference, operation_id, kind, charge_reference, charge_id, amount, currency, code
FROM operation WHERE merchant_id = $1 AND reference = $2
