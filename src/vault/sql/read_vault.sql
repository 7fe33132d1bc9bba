-- Which vault this is. Params: 1 zero. Index: primary key. Result: id.
SELECT vault_id FROM vault WHERE merchant_id = $1
