-- One payment with what its current attempt and provider account say. Params: 1 merchant, 2 payment. Index: primary keys and
-- (merchant_id, number) of provider_account.
SELECT p.payment_id, p.state, p.version, p.amount, p.currency, p.capture, p.authorized, p.captured, p.refunded, p.refund_pending,
    p.provider_account, p.attempt, p.operations, p.decline, p.event_last, p.journal_last, p.created_at, p.updated_at, p.token,
    p.details, a.provider_reference, a.network_reference, c.account_id, a.state, p.released, p.disputed, p.dispute_lost, p.cleared,
    p.capture_before, p.three_ds, p.exemption, p.credential, p.attempts, p.customer_id, p.order_id, p.payment_method_id,
    a.acquirer_reference, a.card_brand, a.card_last_four, a.action, a.action_expires_at, a.action_url, a.three_ds_flow,
    a.three_ds_version, a.three_ds_transaction_id, a.eci, a.liability_shift
FROM payment p
LEFT JOIN attempt a ON a.merchant_id = p.merchant_id AND a.payment_id = p.payment_id AND a.number = p.attempt
LEFT JOIN provider_account c ON c.merchant_id = p.merchant_id AND c.number = p.provider_account
WHERE p.merchant_id = $1 AND p.payment_id = $2
