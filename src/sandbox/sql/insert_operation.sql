-- What was answered to a capture, void or refund.
-- params: merchant_id, reference, operation_id, kind, charge_reference, charge_id, amount, currency, code
-- result: 1 changed. index: primary key
INSERT INTO operation (merchant_id, reference, operation_id, kind, charge_reference, charge_id, amount, currency, code)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
