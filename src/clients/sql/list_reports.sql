-- Reports of pages, newest days first. Params: 1 merchant (0), 2 key (exclusive), 3 limit. Index: primary key, in order.
SELECT report_key, first_at, last_at, times, content
FROM page_report
WHERE merchant_id = $1 AND report_key < $2
ORDER BY report_key DESC
LIMIT $3
