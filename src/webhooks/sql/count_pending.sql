-- How many deliveries are unfinished. Params: 1 kind of job. Index: job_due.
-- all merchants: a metric.
SELECT COUNT(*) FROM job WHERE kind = $1
