-- Appends a batch to the chain. Params: 1 merchant, 2 number, 3 last journal, 4 last event, 5 time, 6 hash.
-- Index: primary key.
INSERT INTO chain (merchant_id, number, journal_upto, event_upto, created_at, hash)
VALUES ($1, $2, $3, $4, $5, $6)
