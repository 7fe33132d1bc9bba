-- The end of the chain. Params: 1 zero. Index: primary key. Result: number, hash.
SELECT number, hash FROM audit WHERE merchant_id = $1 ORDER BY number DESC LIMIT 1
