-- The files of a dispute without their contents. Params: 1 merchant, 2 dispute. Index: primary key, in order.
SELECT number, purpose, name, content_type, size, hash, created_at
FROM dispute_file
WHERE merchant_id = $1 AND dispute_id = $2
ORDER BY number
