-- Unfinished deliveries of an endpoint: their jobs' ids lie in one range. Params: 1 merchant, 2 first, 3 last.
-- Index: primary key.
SELECT job_id FROM job WHERE merchant_id = $1 AND job_id >= $2 AND job_id <= $3
