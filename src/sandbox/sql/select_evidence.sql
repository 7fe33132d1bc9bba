-- The answer to evidence.
-- params: merchant_id, reference
-- result: dispute_id, fingerprint, answer. index: primary key
SELECT dispute_id, fingerprint, answer FROM evidence WHERE merchant_id = $1 AND reference = $2
