-- A card. Params: 1 merchant, 2 card, 3 key version, 4 now, 5 keep until, 6 fingerprint, 7 sealed. Result: one row changed, or
-- none: there is one of that id.
INSERT INTO card (merchant_id, card_id, key_version, created_at, keep_until, fingerprint, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (merchant_id, card_id) DO NOTHING
