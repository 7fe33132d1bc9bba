-- A new charge, called once or (a reversal that came first) not yet.
-- params: merchant_id, reference, charge_id, state, requested, amount, currency, capture, captured, calls, code, script
-- result: 1 changed; 0 when the reference is taken. index: primary key
INSERT INTO charge (merchant_id, reference, charge_id, state, requested, amount, currency, capture, captured, refunded, calls,
    code, script)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, $12)
ON CONFLICT (merchant_id, reference) DO NOTHING
