-- All merchants, for programs. Result: merchant_id, public id, name. Index: primary key, in order.
SELECT merchant_id, public_id, name FROM merchant ORDER BY merchant_id
