-- Params: 1 zero, 2 id.
INSERT INTO vault (merchant_id, vault_id) VALUES ($1, $2)
