-- Params: 1 zero. Index: primary key. Result: id, since.
-- scan: one row
SELECT vault_id, since FROM card_vault WHERE merchant_id = $1
