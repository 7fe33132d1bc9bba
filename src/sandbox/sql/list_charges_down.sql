-- A page of the book for people, the highest reference first; without reversals whose charge never came.
-- params: merchant_id, before this reference, at most
-- result: reference. index: primary key
SELECT reference FROM charge WHERE merchant_id = $1 AND reference < $2 AND state <> 6 ORDER BY reference DESC LIMIT $3
