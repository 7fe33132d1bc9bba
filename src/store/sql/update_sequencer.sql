-- What a batch took, if nobody moved it since it was read.
-- Params: 1 event sequence, 2 journal number, 3 merchant, 4 and 5 both as read. Index: primary key.
UPDATE sequencer SET event_last = $1, journal_last = $2
WHERE merchant_id = $3 AND event_last = $4 AND journal_last = $5
