-- The chain. Params: 1 zero. Index: primary key. Result: number, at, action, whose, card, detail, hash.
SELECT number, at, action, whose, card_id, detail, hash FROM audit WHERE merchant_id = $1 ORDER BY number
