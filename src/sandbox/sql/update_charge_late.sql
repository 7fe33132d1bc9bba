-- The charge of a reversal that came first: refused.
-- params: requested, currency, capture, code, source, brand, last_four, initiator, notify_url, notify_secret, merchant_id, reference
-- result: 1 changed. index: primary key
UPDATE charge SET state = 5, requested = $1, taken = $1, amount = $1, currency = $2, capture = $3, code = $4, source = $5, brand = $6,
    last_four = $7, initiator = $8, notify_url = $9, notify_secret = $10, calls = calls + 1
WHERE merchant_id = $11 AND reference = $12 AND state = 6
