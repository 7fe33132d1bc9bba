-- One delivery. Params: 1 merchant, 2 endpoint, 3 sequence. Index: primary key.
SELECT state, attempts FROM delivery WHERE merchant_id = $1 AND endpoint_id = $2 AND sequence = $3
