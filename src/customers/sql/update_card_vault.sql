-- Another takes its place. Params: 1 id, 2 now, 3 zero. Index: primary key.
-- scan: one row
UPDATE card_vault SET vault_id = $1, since = $2 WHERE merchant_id = $3
