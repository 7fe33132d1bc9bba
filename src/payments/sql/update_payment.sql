-- Changes a payment that is still as it was read; no row changed means that somebody else was first. Params: 1 state, 2 version,
-- 3 amount, 4 authorized, 5 captured, 6 released, 7 refunded, 8 refund pending, 9 disputed, 10 dispute lost, 11 cleared, 12 capture
-- before, 13 attempt, 14 attempts, 15 operations, 16 decline, 17 last event, 18 last journal, 19 updated, 20 three_ds, 21 token,
-- 22 merchant, 23 payment, then as it was: 24 state, 25 operations, 26 last event, 27 refund pending, 28 refunded, 29 disputed,
-- 30 last journal. Index: primary key.
UPDATE payment SET state = $1, version = $2, amount = $3, authorized = $4, captured = $5, released = $6, refunded = $7,
    refund_pending = $8, disputed = $9, dispute_lost = $10, cleared = $11, capture_before = $12, attempt = $13, attempts = $14,
    operations = $15, decline = $16, event_last = $17, journal_last = $18, updated_at = $19, three_ds = $20, token = $21
WHERE merchant_id = $22 AND payment_id = $23 AND state = $24 AND operations = $25 AND event_last = $26
    AND refund_pending = $27 AND refunded = $28 AND disputed = $29 AND journal_last = $30
