-- One provider account by number, with sealed credentials and permit. Params: 1 merchant, 2 number. Index: (merchant_id, number).
SELECT account_id, connector, credentials, permit FROM provider_account WHERE merchant_id = $1 AND number = $2
