-- The last webhook about an operation or a dispute, of a type if one is named.
-- params: merchant_id, subject, type or empty
-- result: seq. index: notification_subject
SELECT seq FROM notification WHERE merchant_id = $1 AND subject = $2 AND ($3 = '' OR type = $3) AND manner = 0
ORDER BY seq DESC LIMIT 1
