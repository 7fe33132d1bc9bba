-- Moves a master key on. Params: 1 new state, 2 zero, 3 version, 4 state before. Index: primary key. Result: one row changed.
UPDATE master SET state = $1 WHERE merchant_id = $2 AND version = $3 AND state = $4
