-- The number given last.
-- params: merchant_id
-- result: seq. index: primary key
SELECT seq FROM notification WHERE merchant_id = $1 ORDER BY seq DESC LIMIT 1
