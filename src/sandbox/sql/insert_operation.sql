-- What was answered to a capture, void, refund, increment or evidence.
-- params: merchant_id, reference, operation_id, kind, charge_reference, charge_id, amount, currency, code, pending, final
-- result: 1 changed. index: primary key
INSERT INTO operation (merchant_id, reference, operation_id, kind, charge_reference, charge_id, amount, currency, code, pending,
    after_success, final)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11)
