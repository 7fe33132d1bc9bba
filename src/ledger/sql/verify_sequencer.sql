-- The dense numbers given so far. Params: 1 merchant. Index: primary key.
SELECT event_last, journal_last
FROM sequencer
WHERE merchant_id = $1
