-- Moves a key on. Params: 1 new state, 2 merchant, 3 purpose, 4 version, 5 state before. Index: primary key. Result: one row changed.
UPDATE data_key SET state = $1 WHERE merchant_id = $2 AND purpose = $3 AND version = $4 AND state = $5
