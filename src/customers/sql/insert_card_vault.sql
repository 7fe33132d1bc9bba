-- The first vault there is. Params: 1 zero, 2 id, 3 now.
INSERT INTO card_vault (merchant_id, vault_id, since) VALUES ($1, $2, $3)
ON CONFLICT (merchant_id) DO NOTHING
