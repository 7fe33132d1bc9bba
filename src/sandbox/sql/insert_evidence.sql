-- Evidence as it came, and the answer to it.
-- params: merchant_id, reference, dispute_id, fingerprint, fields, files, answer
-- result: 1 changed. index: primary key
INSERT INTO evidence (merchant_id, reference, dispute_id, fingerprint, fields, files, answer) VALUES ($1, $2, $3, $4, $5, $6, $7)
