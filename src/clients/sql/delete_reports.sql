-- Reports of days long ago, 200 at once: see delete_client_tokens. Params: 1 merchant (0), 2 key beyond the last.
-- Index: primary key, in order.
DELETE FROM page_report
WHERE merchant_id = $1 AND report_key IN
    (SELECT report_key FROM page_report WHERE merchant_id = $1 AND report_key < $2 ORDER BY report_key LIMIT 200)
