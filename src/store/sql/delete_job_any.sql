-- Drops a job, whoever holds it. Params: 1 merchant, 2 job. Index: primary key.
DELETE FROM job WHERE merchant_id = $1 AND job_id = $2
