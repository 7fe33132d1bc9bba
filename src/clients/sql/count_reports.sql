-- How many different reports a day had. Params: 1 merchant (0), 2 least key, 3 key beyond the last. Index: primary key.
SELECT COUNT(*)
FROM page_report
WHERE merchant_id = $1 AND report_key >= $2 AND report_key < $3
