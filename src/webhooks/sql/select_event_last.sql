-- The last event. Params: 1 merchant. Index: primary key, backwards.
SELECT sequence FROM event WHERE merchant_id = $1 ORDER BY sequence DESC LIMIT 1
