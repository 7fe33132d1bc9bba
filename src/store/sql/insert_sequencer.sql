-- A merchant's first use of the sequencer. Params: 1 merchant. Index: primary key.
INSERT INTO sequencer (merchant_id, event_last, journal_last) VALUES ($1, 0, 0)
ON CONFLICT (merchant_id) DO NOTHING
