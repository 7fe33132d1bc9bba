-- Moves the merchant's journal number on. Params: 1 merchant. Index: primary key.
UPDATE sequencer SET journal_last = journal_last + 1 WHERE merchant_id = $1
