-- The chain from a place on. Params: 1 zero, 2 number after which to begin, 3 limit. Index: primary key.
-- Result: number, at, action, whose, card, detail, hash.
SELECT number, at, action, whose, card_id, detail, hash FROM audit WHERE merchant_id = $1 AND number > $2 ORDER BY number LIMIT $3
