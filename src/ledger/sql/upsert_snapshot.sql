-- Moves a snapshot. Params: 1 merchant, 2 currency, 3 account, 4 unit, 5 last journal, 6 pending, 7 posted. Index: primary key.
INSERT INTO balance_snapshot (merchant_id, currency, account, unit, journal_upto, pending, posted)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (merchant_id, currency, account, unit) DO UPDATE
SET journal_upto = excluded.journal_upto, pending = excluded.pending, posted = excluded.posted
