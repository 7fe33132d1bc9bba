-- Keeps it for as long as that. Params: 1 keep until, 2 merchant, 3 card. Index: primary key. Result: one row changed.
UPDATE card SET keep_until = $1 WHERE merchant_id = $2 AND card_id = $3
