-- The snapshot that an answer shares with its event. Params: 1 merchant, 2 sequence. Result: data. Index: primary key.
SELECT data FROM event WHERE merchant_id = $1 AND sequence = $2
