-- Moves the merchant's event sequence on. Params: 1 merchant. Index: primary key.
UPDATE sequencer SET event_last = event_last + 1 WHERE merchant_id = $1
