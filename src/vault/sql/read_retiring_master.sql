-- A master key that still wraps keys. Params: 1 zero, 2 state. Index: primary key. Result: version.
SELECT version FROM master WHERE merchant_id = $1 AND state = $2 ORDER BY version LIMIT 1
