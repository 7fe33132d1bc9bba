-- Webhooks of a merchant that still wait, by their positions. Params: 1 merchant, 2 kind of job. Index: job_due; primary key.
-- Result: account, canonical form, key.
SELECT e.provider_account, e.payload, e.event_key FROM job j
JOIN provider_event e ON e.merchant_id = j.merchant_id AND e.event_key = j.job_id
WHERE j.merchant_id = $1 AND j.kind = $2 AND e.merchant_id = $1 AND e.state = 1
