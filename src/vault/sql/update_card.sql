-- Sealed anew. Params: 1 key version, 2 sealed, 3 merchant, 4 card, 5 key version before. Index: primary key. Result: one row changed.
UPDATE card SET key_version = $1, sealed = $2 WHERE merchant_id = $3 AND card_id = $4 AND key_version = $5
