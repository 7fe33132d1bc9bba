-- A new charge, called once or (a reversal that came first) not yet.
-- params: merchant_id, reference, charge_id, state, requested, amount (also taken), currency, capture, captured, calls, code, source,
-- brand, last_four, capture_before, capture_id, challenge, challenge_type, challenge_until, base_url, return_url, flow, liability, version,
-- eci, ds_id, exemption, initiator, stored, network_transaction_id, descriptor, notify_url, notify_secret
-- result: 1 changed; 0 when the reference is taken. index: primary key
INSERT INTO charge (merchant_id, reference, charge_id, state, requested, taken, amount, currency, capture, captured, released, refunded,
    disputed, cleared, calls, code, source, brand, last_four, capture_before, capture_id, challenge, challenge_type, challenge_until,
    base_url, return_url, flow, liability, version, eci, ds_id, exemption, initiator, stored, network_transaction_id, descriptor,
    notify_url, notify_secret)
VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, 0, 0, 0, 0, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26, $27, $28, $29, $30, $31, $32, $33)
ON CONFLICT (merchant_id, reference) DO NOTHING
