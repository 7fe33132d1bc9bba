-- Master keys that there have been. Params: 1 zero. Index: primary key. Result: version, state, check value, source, wrapped form.
SELECT version, state, check_value, source, wrapped FROM master WHERE merchant_id = $1 ORDER BY version
