-- Moves a dispute from the version that was read.
-- params: stage, status, fee, due_at, funds, merchant_id, dispute_id, version
-- result: 1 changed. index: primary key
UPDATE dispute SET stage = $1, status = $2, fee = $3, due_at = $4, funds = $5, version = version + 1
WHERE merchant_id = $6 AND dispute_id = $7 AND version = $8
