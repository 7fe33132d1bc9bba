-- Params: 1 merchant, 2 account, 3 number, 4 connector, 5 priority, 6 sealed credentials, 7 time. Index: primary key.
INSERT INTO provider_account (merchant_id, account_id, number, connector, status, priority, credentials, created_at, updated_at)
VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $7)
