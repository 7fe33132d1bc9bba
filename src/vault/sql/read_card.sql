-- A card. Params: 1 merchant, 2 card. Index: primary key. Result: key version, sealed.
SELECT key_version, sealed FROM card WHERE merchant_id = $1 AND card_id = $2
