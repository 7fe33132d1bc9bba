-- Takes the merchant's next event sequence. Params: 1 merchant. Result: it. Index: primary key.
UPDATE sequencer SET event_last = event_last + 1 WHERE merchant_id = $1 RETURNING event_last
