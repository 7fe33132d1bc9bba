-- One endpoint. Params: 1 merchant, 2 endpoint. Index: primary key.
SELECT endpoint_id, url, status, version, event_last, enabled_events, secret, cursor_sequence, disabled_reason,
    created_at, updated_at, details
FROM webhook_endpoint
WHERE merchant_id = $1 AND endpoint_id = $2
