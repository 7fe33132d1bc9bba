-- A new dispute.
-- params: merchant_id, dispute_id, charge_reference, capture_id, stage, status, reason, amount, currency, fee, due_at, funds
-- result: 1 changed. index: primary key
INSERT INTO dispute (merchant_id, dispute_id, charge_reference, capture_id, stage, status, reason, amount, currency, fee, due_at, funds,
    version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1)
