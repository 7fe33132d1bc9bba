-- Params: 1 merchant, 2 card. Index: primary key. Result: one row changed, or none.
DELETE FROM card WHERE merchant_id = $1 AND card_id = $2
