-- Cards that a key seals. Params: 1 merchant, 2 key version, 3 limit. Index: card_key. Result: merchant, card.
SELECT merchant_id, card_id FROM card WHERE merchant_id = $1 AND key_version = $2 ORDER BY card_id LIMIT $3
