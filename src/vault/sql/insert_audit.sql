-- Params: 1 zero, 2 number, 3 now, 4 action, 5 whose, 6 card, 7 detail, 8 hash.
INSERT INTO audit (merchant_id, number, at, action, whose, card_id, detail, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
