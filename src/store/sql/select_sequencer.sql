-- The numbers taken last; the row stays the reader's until its transaction ends.
-- Params: 1 merchant. Result: event sequence, journal number. Index: primary key.
SELECT event_last, journal_last FROM sequencer WHERE merchant_id = $1 @FOR_UPDATE@
