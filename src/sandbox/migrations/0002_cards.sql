-- Cards, complete: authentication, holds, several captures, refunds that take time, disputes. What a CHECK says cannot be altered, so
-- the tables are made anew.

-- State: 1 in progress, 2 authorized (something is held), 3 captured, 4 voided, 5 refused, 6 reversed before it came, 7 waits for the
-- customer, 8 the hold expired.
CREATE TABLE charge_new (
    merchant_id BIGINT NOT NULL,
    reference VARCHAR(64) NOT NULL,
    charge_id BYTEA NOT NULL,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 8),
    requested BIGINT NOT NULL,     -- the amount asked for
    taken BIGINT NOT NULL,         -- the amount answered; differs for pm_tok_amount_mismatch
    amount BIGINT NOT NULL,        -- taken and all increments
    currency VARCHAR(3) NOT NULL,
    capture SMALLINT NOT NULL CHECK (capture IN (0, 1)),
    captured BIGINT NOT NULL,
    released BIGINT NOT NULL,      -- given up by voids, a final capture, expiry
    refunded BIGINT NOT NULL,      -- with pending refunds
    disputed BIGINT NOT NULL,      -- withdrawn by chargebacks
    cleared BIGINT NOT NULL,       -- what the scheme cleared; 0: as captured
    calls BIGINT NOT NULL,         -- charge requests received with this reference
    code VARCHAR(24) NOT NULL,     -- why it was refused
    source VARCHAR(64) NOT NULL,   -- the token; empty: unknown
    brand VARCHAR(16) NOT NULL,
    last_four VARCHAR(4) NOT NULL,
    capture_before BIGINT NOT NULL, -- unix seconds; 0: no end
    capture_id BYTEA,              -- what the acquirer's reference is made from: the first capture
    challenge SMALLINT NOT NULL CHECK (challenge BETWEEN 0 AND 3), -- 0 none, 1 open, 2 passed, 3 over
    challenge_type SMALLINT NOT NULL, -- 0 none, 1 challenge, 2 redirect
    challenge_until BIGINT NOT NULL, -- unix milliseconds
    base_url VARCHAR(255) NOT NULL, -- where the caller reached us
    return_url VARCHAR(2048) NOT NULL,
    flow SMALLINT NOT NULL,        -- of 3-D Secure: 0 took no part, 1 frictionless, 2 challenge, 3 external, 4 none
    liability SMALLINT NOT NULL CHECK (liability IN (0, 1)),
    version VARCHAR(8) NOT NULL,
    eci VARCHAR(2) NOT NULL,
    ds_id VARCHAR(64) NOT NULL,
    exemption VARCHAR(32) NOT NULL,
    initiator VARCHAR(16) NOT NULL,
    stored VARCHAR(16) NOT NULL,
    network_transaction_id VARCHAR(64) NOT NULL,
    descriptor VARCHAR(16384) NOT NULL,
    notify_url VARCHAR(2048) NOT NULL, -- empty: no webhooks
    notify_secret VARCHAR(64) NOT NULL,
    CHECK (taken BETWEEN 1 AND amount),
    CHECK (amount BETWEEN 1 AND 4611686018427387903),
    CHECK (captured BETWEEN 0 AND amount),
    CHECK (released BETWEEN 0 AND amount - captured),
    CHECK (refunded BETWEEN 0 AND captured),
    CHECK (disputed BETWEEN 0 AND captured),
    CHECK (cleared >= 0),
    PRIMARY KEY (merchant_id, reference)
)@WITHOUT_ROWID@;

INSERT INTO charge_new (merchant_id, reference, charge_id, state, requested, taken, amount, currency, capture, captured, released,
    refunded, disputed, cleared, calls, code, source, brand, last_four, capture_before, capture_id, challenge, challenge_type,
    challenge_until, base_url, return_url, flow, liability, version, eci, ds_id, exemption, initiator, stored,
    network_transaction_id, descriptor, notify_url, notify_secret)
SELECT merchant_id, reference, charge_id, state, requested, amount, amount, currency, capture, captured,
    CASE WHEN state IN (3, 4) THEN amount - captured ELSE 0 END, refunded, 0, 0, calls, code, script, 'visa', '4242', 0,
    CASE WHEN captured > 0 THEN charge_id END, 0, 0, 0, '', '', 0, 0, '', '', '', '', 'customer', '', '', '', '', ''
FROM charge;

-- A capture, void, refund, increment or evidence, with what was answered.
CREATE TABLE operation_new (
    merchant_id BIGINT NOT NULL,
    reference VARCHAR(64) NOT NULL,
    operation_id BYTEA NOT NULL,
    kind SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 5), -- 1 capture, 2 void, 3 refund, 4 increment, 5 evidence
    charge_reference VARCHAR(64) NOT NULL,
    charge_id BYTEA NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 4611686018427387903),
    currency VARCHAR(3) NOT NULL,
    code VARCHAR(24) NOT NULL,     -- why it was refused; empty: approved
    pending SMALLINT NOT NULL CHECK (pending BETWEEN 0 AND 2), -- a refund: 0 decided, 1 for a while, 2 until somebody decides
    after_success SMALLINT NOT NULL CHECK (after_success IN (0, 1)), -- refused after it was approved
    final SMALLINT NOT NULL CHECK (final BETWEEN -1 AND 1), -- a capture, as asked; -1: not said
    PRIMARY KEY (merchant_id, reference)
)@WITHOUT_ROWID@;

INSERT INTO operation_new (merchant_id, reference, operation_id, kind, charge_reference, charge_id, amount, currency, code, pending,
    after_success, final)
SELECT merchant_id, reference, operation_id, kind, charge_reference, charge_id, amount, currency, code, 0, 0, -1
FROM operation;

DROP TABLE charge;
DROP TABLE operation;
ALTER TABLE charge_new RENAME TO charge;
ALTER TABLE operation_new RENAME TO operation;
CREATE UNIQUE INDEX charge_by_id ON charge (merchant_id, charge_id);

-- What is to happen by itself, and when: 1 a charge is decided, 2 a challenge ends, 3 a hold ends, 4 a refund is decided, 5 a refund
-- fails after all, 6 a dispute opens, 7 the time to answer a dispute ends.
CREATE TABLE due (
    merchant_id BIGINT NOT NULL,
    due_at BIGINT NOT NULL,        -- unix microseconds
    what SMALLINT NOT NULL CHECK (what BETWEEN 1 AND 7),
    reference VARCHAR(64) NOT NULL, -- the charge's, the refund's; a dispute's id
    PRIMARY KEY (merchant_id, due_at, what, reference)
)@WITHOUT_ROWID@;

INSERT INTO due (merchant_id, due_at, what, reference) SELECT merchant_id, 0, 1, reference FROM charge WHERE state = 1;

-- Stage: 1 inquiry, 2 chargeback. Status: 1 needs_response, 2 under_review, 3 won, 4 lost, 5 accepted, 6 closed. Funds: 0 none,
-- 1 withdrawn, 2 returned.
CREATE TABLE dispute (
    merchant_id BIGINT NOT NULL,
    dispute_id BYTEA NOT NULL,
    charge_reference VARCHAR(64) NOT NULL,
    capture_id BYTEA,
    stage SMALLINT NOT NULL CHECK (stage BETWEEN 1 AND 2),
    status SMALLINT NOT NULL CHECK (status BETWEEN 1 AND 6),
    reason VARCHAR(32) NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 4611686018427387903),
    currency VARCHAR(3) NOT NULL,
    fee BIGINT NOT NULL CHECK (fee >= 0),
    due_at BIGINT NOT NULL,        -- unix seconds
    funds SMALLINT NOT NULL CHECK (funds BETWEEN 0 AND 2),
    version BIGINT NOT NULL CHECK (version >= 1),
    PRIMARY KEY (merchant_id, dispute_id)
)@WITHOUT_ROWID@;
CREATE INDEX dispute_by_charge ON dispute (merchant_id, charge_reference);

-- Evidence as it came, under the caller's reference (which also has a row in operation), and the answer to it.
CREATE TABLE evidence (
    merchant_id BIGINT NOT NULL,
    reference VARCHAR(64) NOT NULL,
    dispute_id BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,    -- SHA-256 of the body, its members in order of their names
    fields VARCHAR(1000000) NOT NULL, -- JSON
    files VARCHAR(10000) NOT NULL, -- JSON: purpose, name, content_type, size
    answer VARCHAR(2000) NOT NULL, -- JSON
    PRIMARY KEY (merchant_id, reference)
)@WITHOUT_ROWID@;
