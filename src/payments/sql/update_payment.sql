-- Changes a payment that is still as it was read; no row changed means that somebody else was first. Params: 1 state, 2 version,
-- 3 authorized, 4 captured, 5 refunded, 6 refund pending, 7 operations, 8 decline, 9 last event, 10 last journal, 11 updated,
-- 12 merchant, 13 payment, then as it was: 14 state, 15 operations, 16 last event, 17 refund pending, 18 refunded. Index: primary key.
UPDATE payment SET state = $1, version = $2, authorized = $3, captured = $4, refunded = $5, refund_pending = $6, operations = $7,
    decline = $8, event_last = $9, journal_last = $10, updated_at = $11
WHERE merchant_id = $12 AND payment_id = $13 AND state = $14 AND operations = $15 AND event_last = $16
    AND refund_pending = $17 AND refunded = $18
