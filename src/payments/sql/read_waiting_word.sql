-- A webhook about a dispute that waits. Params: 1 merchant, 2 account, 3 the provider's name of the dispute, 4 version from, 5 before.
-- Index: provider_event_word. Result: key.
SELECT event_key FROM provider_event
WHERE merchant_id = $1 AND provider_account = $2 AND dispute = $3 AND dispute_version >= $4 AND dispute_version < $5 AND state = 1
ORDER BY dispute_version LIMIT 1
