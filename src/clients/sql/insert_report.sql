-- Keeps a report of a page, or leaves the one that is there. Params: 1 merchant (0), 2 key, 3 time, 4 content.
-- Result: one row changed when it is new. Index: primary key.
INSERT INTO page_report (merchant_id, report_key, first_at, last_at, times, content)
VALUES ($1, $2, $3, $3, 1, $4)
ON CONFLICT DO NOTHING
