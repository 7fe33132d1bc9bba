-- Enables or disables. Params: 1 status, 2 version, 3 last event, 4 cursor, 5 reason or NULL, 6 time, 7 merchant,
-- 8 endpoint. Index: primary key.
UPDATE webhook_endpoint
SET status = $1, version = $2, event_last = $3, cursor_sequence = $4, disabled_reason = $5, updated_at = $6
WHERE merchant_id = $7 AND endpoint_id = $8
