-- The same report again. Params: 1 time, 2 merchant (0), 3 key. Result: one row changed when it is there. Index: primary key.
UPDATE page_report
SET times = times + 1, last_at = $1
WHERE merchant_id = $2 AND report_key = $3
