-- One dispute.
-- params: merchant_id, dispute_id
-- result: as enum in dispute.c. index: primary key
SELECT dispute_id, charge_reference, capture_id, stage, status, reason, amount, currency, fee, due_at, funds, version
FROM dispute WHERE merchant_id = $1 AND dispute_id = $2
