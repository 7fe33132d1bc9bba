-- Moves the cursor on. Params: 1 new cursor, 2 merchant, 3 endpoint, 4 cursor as read. Index: primary key.
UPDATE webhook_endpoint SET cursor_sequence = $1
WHERE merchant_id = $2 AND endpoint_id = $3 AND cursor_sequence = $4 AND status = 1
