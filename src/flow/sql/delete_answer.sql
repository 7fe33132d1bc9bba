-- An answer that is not kept. Params: 1 merchant, 2 answer id. Index: primary key.
DELETE FROM answer WHERE merchant_id = $1 AND answer_id = $2
