-- Enabled endpoints with events that have no deliveries yet. Params: 1 limit. Index: primary keys.
-- all merchants: work is taken wherever it is due.
-- scan: endpoints are few.
SELECT e.merchant_id, e.endpoint_id
FROM webhook_endpoint e
JOIN sequencer s ON s.merchant_id = e.merchant_id
WHERE e.status = 1 AND e.cursor_sequence < s.event_last
ORDER BY e.merchant_id, e.endpoint_id
LIMIT $1
