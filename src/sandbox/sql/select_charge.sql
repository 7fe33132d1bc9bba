-- One charge.
-- params: merchant_id, reference
-- result: as enum in charge.c. index: primary key
SELECT reference, charge_id, state, requested, taken, amount, currency, capture, captured, released, refunded, disputed, cleared, calls,
    code, source, brand, last_four, capture_before, capture_id, challenge, challenge_type, challenge_until, base_url, flow, liability,
    version, eci, ds_id, exemption, initiator, stored, network_transaction_id, CASE WHEN notify_url = '' THEN 0 ELSE 1 END
FROM charge WHERE merchant_id = $1 AND reference = $2
