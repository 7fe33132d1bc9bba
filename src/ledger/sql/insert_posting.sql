-- Appends a leg of a journal. Params: 1 merchant, 2 journal, 3 leg, 4 account, 5 unit, 6 layer, 7 amount.
-- Index: primary key.
INSERT INTO posting (merchant_id, journal, leg, account, unit, layer, amount)
VALUES ($1, $2, $3, $4, $5, $6, $7)
