-- One webhook of a provider. Params: 1 merchant, 2 key. Index: primary key.
SELECT provider_account, state, attempts, event_id, payload, received_at FROM provider_event WHERE merchant_id = $1 AND event_key = $2
