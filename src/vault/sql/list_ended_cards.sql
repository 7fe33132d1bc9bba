-- Cards whose time is over. Params: 1 now, 2 limit. Index: card_end. Result: merchant, card.
-- all merchants: whoever's they are.
SELECT merchant_id, card_id FROM card WHERE keep_until > 0 AND keep_until <= $1 ORDER BY keep_until LIMIT $2
