-- Makes an endpoint. Params: 1 merchant, 2 endpoint, 3 url, 4 status, 5 version, 6 last event, 7 enabled events,
-- 8 sealed secret, 9 cursor, 10 created, 11 updated, 12 details. Index: primary key.
INSERT INTO webhook_endpoint (merchant_id, endpoint_id, url, status, version, event_last, enabled_events, secret,
    cursor_sequence, created_at, updated_at, details)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
