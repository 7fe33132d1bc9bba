-- The account of a public id, whoever's it is. Params: 1 account. Result: merchant partition, number, connector.
-- all merchants: a provider's webhook names the account alone. Index: provider_account_id.
SELECT merchant_id, number, connector FROM provider_account WHERE account_id = $1
