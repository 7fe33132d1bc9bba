-- Takes the merchant's next journal number. Params: 1 merchant. Result: it. Index: primary key.
UPDATE sequencer SET journal_last = journal_last + 1 WHERE merchant_id = $1 RETURNING journal_last
