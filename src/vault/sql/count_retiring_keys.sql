-- How many keys still seal cards though newer ones do. Params: 1 purpose, 2 state. Index: data_key_state.
-- all merchants: how much there is to do.
SELECT count(*) FROM data_key WHERE purpose = $1 AND state = $2
