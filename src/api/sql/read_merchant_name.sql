-- What a merchant is called. Params: 1 merchant (even: its test partition). Index: primary key.
SELECT name FROM merchant WHERE merchant_id = $1
