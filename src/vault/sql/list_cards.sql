-- A merchant's cards in order. Params: 1 merchant, 2 card after which to begin, 3 limit. Index: primary key. Result: merchant, card,
-- keep until.
SELECT merchant_id, card_id, keep_until FROM card WHERE merchant_id = $1 AND card_id > $2 ORDER BY card_id LIMIT $3
