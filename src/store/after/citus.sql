-- Citus, once, on an empty store: `florin migrate --after citus`. Every table leads with merchant_id, so a merchant's rows
-- live together on one worker and each transaction of a merchant stays there.
SELECT create_distributed_table('sequencer', 'merchant_id');
SELECT create_distributed_table(t, 'merchant_id', colocate_with => 'sequencer')
FROM unnest(ARRAY['merchant', 'api_key', 'provider_account', 'idempotency', 'answer', 'payment', 'attempt', 'operation',
                  'refund', 'event', 'journal', 'posting', 'balance_snapshot', 'chain', 'webhook_endpoint', 'delivery',
                  'delivery_attempt', 'job', 'commit_mark', 'dispute', 'dispute_file', 'provider_event', 'review',
                  'customer', 'payment_method', 'purchase', 'lookup', 'client_token', 'checkout', 'page_report',
                  'card_vault']) AS t;
