-- Is any endpoint enabled? Params: 1 limit. Index: none.
-- all merchants: work is taken wherever it is due.
-- scan: endpoints are few.
SELECT merchant_id FROM webhook_endpoint WHERE status = 1 LIMIT $1
