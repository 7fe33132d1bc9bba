-- Tokens that ended long ago, 200 at once: a number that the planner knows, or it would read the whole table. Params: 1 expired before.
-- Index: client_token_expires, in order; primary key.
-- all merchants: none of them writes to a token that has ended, so nobody's lock is needed.
DELETE FROM client_token
WHERE (merchant_id, token_hash) IN
    (SELECT merchant_id, token_hash FROM client_token WHERE expires_at < $1 ORDER BY expires_at LIMIT 200)
