-- All attempts of a payment, oldest first. Params: 1 merchant, 2 payment. Index: primary key, in order.
SELECT a.number, a.state, a.amount, a.decline, a.created_at, a.updated_at, a.provider_reference, a.network_reference,
    a.authorization_code, a.provider_code, a.provider_message, c.account_id, c.connector, a.acquirer_reference, a.card_brand,
    a.card_last_four, a.three_ds_flow, a.three_ds_version, a.three_ds_transaction_id, a.eci, a.liability_shift
FROM attempt a
LEFT JOIN provider_account c ON c.merchant_id = a.merchant_id AND c.number = a.provider_account
WHERE a.merchant_id = $1 AND a.payment_id = $2
ORDER BY a.number
