-- A page of the book, in order of references; without reversals whose charge never came.
-- params: merchant_id, after this reference, at most
-- result: as select_charge. index: primary key
SELECT reference, charge_id, state, requested, taken, amount, currency, capture, captured, released, refunded, disputed, cleared, calls,
    code, source, brand, last_four, capture_before, capture_id, challenge, challenge_type, challenge_until, base_url, flow, liability,
    version, eci, ds_id, exemption, initiator, stored, network_transaction_id, CASE WHEN notify_url = '' THEN 0 ELSE 1 END
FROM charge WHERE merchant_id = $1 AND reference > $2 AND state <> 6
ORDER BY reference LIMIT $3
