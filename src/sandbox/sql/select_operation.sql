-- One capture, void, refund, increment or evidence.
-- params: merchant_id, reference
-- result: as enum in operation.c. index: primary key
SELECT reference, operation_id, kind, charge_reference, charge_id, amount, currency, code, pending, after_success, final
FROM operation WHERE merchant_id = $1 AND reference = $2
