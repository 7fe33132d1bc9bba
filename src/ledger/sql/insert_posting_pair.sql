-- Appends two legs of a journal, as most journals come. Params: 1 merchant, 2 journal, 3 leg, 4 account, 5 unit,
-- 6 layer, 7 amount; 8 leg, 9 account, 10 unit, 11 layer, 12 amount. Index: primary key.
-- scan: the two rows that are inserted
INSERT INTO posting (merchant_id, journal, leg, account, unit, layer, amount)
VALUES ($1, $2, $3, $4, $5, $6, $7), ($1, $2, $8, $9, $10, $11, $12)
