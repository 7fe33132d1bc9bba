-- The files of a dispute with their contents. Params: 1 merchant, 2 dispute. Index: primary key, in order.
SELECT purpose, name, content_type, content
FROM dispute_file
WHERE merchant_id = $1 AND dispute_id = $2
ORDER BY number
