-- What became of a webhook that waited. Params: 1 state, 2 attempts, 3 updated, 4 merchant, 5 key. Index: primary key.
UPDATE provider_event SET state = $1, attempts = $2, updated_at = $3 WHERE merchant_id = $4 AND event_key = $5 AND state = 1
