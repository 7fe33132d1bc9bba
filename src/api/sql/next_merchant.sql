-- The highest merchant_id given so far. Result: one row when there is any. Index: primary key.
SELECT merchant_id FROM merchant ORDER BY merchant_id DESC LIMIT 1
