-- Cards, complete: authentication, several captures, disputes, webhooks of providers, customers, orders, search.

-- What is held: authorized - captured - released. What may be refunded: captured - refunded - refund_pending - dispute_lost,
-- and nothing while disputed > 0.
ALTER TABLE payment ADD COLUMN released BIGINT NOT NULL DEFAULT 0 CHECK (released >= 0);
ALTER TABLE payment ADD COLUMN disputed BIGINT NOT NULL DEFAULT 0 CHECK (disputed >= 0);         -- by open chargebacks
ALTER TABLE payment ADD COLUMN dispute_lost BIGINT NOT NULL DEFAULT 0 CHECK (dispute_lost >= 0); -- lost or accepted
ALTER TABLE payment ADD COLUMN cleared BIGINT NOT NULL DEFAULT 0 CHECK (cleared >= 0);           -- as settled, 0: not said
ALTER TABLE payment ADD COLUMN capture_before BIGINT NOT NULL DEFAULT 0;                         -- end of the hold, 0: not said
ALTER TABLE payment ADD COLUMN three_ds SMALLINT NOT NULL DEFAULT 1;   -- 1 automatic, 2 required, 3 external
ALTER TABLE payment ADD COLUMN exemption VARCHAR(32);
ALTER TABLE payment ADD COLUMN credential SMALLINT NOT NULL DEFAULT 0; -- 0 once, 1 first, 2 customer, 3 merchant (off session)
ALTER TABLE payment ADD COLUMN attempts SMALLINT NOT NULL DEFAULT 1;   -- made so far
ALTER TABLE payment ADD COLUMN customer_id BYTEA;
ALTER TABLE payment ADD COLUMN order_id BYTEA;
ALTER TABLE payment ADD COLUMN payment_method_id BYTEA;

ALTER TABLE attempt ADD COLUMN acquirer_reference VARCHAR(32);
ALTER TABLE attempt ADD COLUMN card_brand VARCHAR(16);
ALTER TABLE attempt ADD COLUMN card_last_four VARCHAR(4);
ALTER TABLE attempt ADD COLUMN action SMALLINT NOT NULL DEFAULT 0; -- 0 none, 1 redirect, 2 challenge
ALTER TABLE attempt ADD COLUMN action_expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN action_url VARCHAR(1024);
ALTER TABLE attempt ADD COLUMN three_ds_flow SMALLINT NOT NULL DEFAULT 0; -- 0 none, 1 frictionless, 2 challenge, 3 by the merchant
ALTER TABLE attempt ADD COLUMN three_ds_version VARCHAR(8);
ALTER TABLE attempt ADD COLUMN three_ds_transaction_id VARCHAR(36);
ALTER TABLE attempt ADD COLUMN eci VARCHAR(2);
ALTER TABLE attempt ADD COLUMN liability_shift SMALLINT NOT NULL DEFAULT 0; -- 1 issuer, -1 merchant, 0 not said

-- More kinds of operations, and what a capture says besides. A CHECK cannot be altered everywhere: the table is made anew.
CREATE TABLE operation_new (
    merchant_id BIGINT NOT NULL,
    payment_id BYTEA NOT NULL,
    number SMALLINT NOT NULL,
    kind SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 3),   -- 1 capture, 2 cancel, 3 increment
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 4), -- 1 sent, 2 succeeded, 3 failed, 4 unknown
    amount BIGINT NOT NULL,
    attempt SMALLINT NOT NULL,
    final SMALLINT NOT NULL CHECK (final IN (0, 1)),       -- nothing stays held after it
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    provider_reference VARCHAR(64),
    acquirer_reference VARCHAR(32),
    provider_code VARCHAR(64),
    reason VARCHAR(255),
    PRIMARY KEY (merchant_id, payment_id, number)
)@WITHOUT_ROWID@;
INSERT INTO operation_new (merchant_id, payment_id, number, kind, state, amount, attempt, final, created_at, updated_at,
    provider_reference, provider_code, reason)
SELECT merchant_id, payment_id, number, kind, state, amount, attempt, 1, created_at, updated_at, provider_reference, provider_code,
    reason FROM operation;
DROP TABLE operation;
ALTER TABLE operation_new RENAME TO operation;

ALTER TABLE refund ADD COLUMN acquirer_reference VARCHAR(32);

-- A customer's or issuer's objection to a payment.
CREATE TABLE dispute (
    merchant_id BIGINT NOT NULL,
    dispute_id BYTEA NOT NULL,
    payment_id BYTEA NOT NULL,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 6), -- 1 inquiry, 2 needs_response, 3 under_review, 4 won, 5 lost, 6 accepted
    version BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 4611686018427387903),
    fee BIGINT NOT NULL CHECK (fee BETWEEN 0 AND 4611686018427387903),
    held BIGINT NOT NULL CHECK (held IN (0, amount)),      -- taken by the provider and not decided
    currency SMALLINT NOT NULL,
    provider_account SMALLINT NOT NULL,
    provider_version BIGINT NOT NULL,                      -- of the provider's word that was applied last
    due_at BIGINT NOT NULL,                                -- evidence until then, 0 none
    submitted_at BIGINT NOT NULL,                          -- 0: no evidence was submitted
    event_last BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    provider_reference VARCHAR(64) NOT NULL,
    acquirer_reference VARCHAR(32),
    reason VARCHAR(40) NOT NULL,
    network_reason_code VARCHAR(16),
    evidence VARCHAR(65536) NOT NULL,                      -- JSON object
    PRIMARY KEY (merchant_id, dispute_id),
    UNIQUE (merchant_id, provider_account, provider_reference)
)@WITHOUT_ROWID@;
CREATE INDEX dispute_payment ON dispute (merchant_id, payment_id);

CREATE TABLE dispute_file (
    merchant_id BIGINT NOT NULL,
    dispute_id BYTEA NOT NULL,
    number SMALLINT NOT NULL,
    purpose VARCHAR(40) NOT NULL,
    name VARCHAR(255) NOT NULL,
    content_type VARCHAR(40) NOT NULL,
    size BIGINT NOT NULL,
    hash BYTEA NOT NULL,                                   -- SHA-256
    created_at BIGINT NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, dispute_id, number)
)@WITHOUT_ROWID@;

-- Webhooks of providers that were verified: each once.
CREATE TABLE provider_event (
    merchant_id BIGINT NOT NULL,
    event_key BYTEA NOT NULL,        -- 16 bytes over account and the provider's event id
    provider_account SMALLINT NOT NULL,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 4), -- 1 waiting, 2 applied, 3 ignored, 4 given up
    attempts SMALLINT NOT NULL,
    received_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    dispute_version BIGINT,          -- of a word about a dispute
    event_id VARCHAR(64) NOT NULL,   -- the provider's
    dispute VARCHAR(64),             -- the provider's name of the dispute it is about
    payload VARCHAR(65536) NOT NULL, -- canonical form, JSON; without card data
    PRIMARY KEY (merchant_id, event_key)
)@WITHOUT_ROWID@;
-- Words about a dispute that wait for each other.
CREATE INDEX provider_event_word ON provider_event (merchant_id, provider_account, dispute, dispute_version)
    WHERE state = 1 AND dispute IS NOT NULL;

-- Something that a person should look at.
CREATE TABLE review (
    merchant_id BIGINT NOT NULL,
    review_id BYTEA NOT NULL,
    payment_id BYTEA NOT NULL,
    kind SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 2),   -- 1 clearing_amount, 2 provider_contradiction
    state SMALLINT NOT NULL CHECK (state IN (1, 2)),       -- 1 open, 2 closed
    version BIGINT NOT NULL,
    expected BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    currency SMALLINT NOT NULL,
    event_last BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    resolution VARCHAR(20),
    note VARCHAR(500),
    PRIMARY KEY (merchant_id, review_id)
)@WITHOUT_ROWID@;
CREATE INDEX review_payment ON review (merchant_id, payment_id);

CREATE TABLE customer (
    merchant_id BIGINT NOT NULL,
    customer_id BYTEA NOT NULL,
    state SMALLINT NOT NULL CHECK (state IN (1, 2)),       -- 1 active, 2 deleted
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    name VARCHAR(255),
    email VARCHAR(320),
    phone VARCHAR(40),
    details VARCHAR(65536) NOT NULL,                       -- rendered members: description, metadata
    PRIMARY KEY (merchant_id, customer_id)
)@WITHOUT_ROWID@;

-- A saved way to pay.
CREATE TABLE payment_method (
    merchant_id BIGINT NOT NULL,
    payment_method_id BYTEA NOT NULL,
    customer_id BYTEA,
    state SMALLINT NOT NULL CHECK (state IN (1, 2)),       -- 1 attached, 2 detached
    version BIGINT NOT NULL,
    event_last BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    token VARCHAR(255) NOT NULL,
    card_brand VARCHAR(16),
    card_last_four VARCHAR(4),
    network_transaction_id VARCHAR(64),                    -- of the first payment with it
    details VARCHAR(65536) NOT NULL,                       -- rendered members: metadata
    PRIMARY KEY (merchant_id, payment_method_id)
)@WITHOUT_ROWID@;
CREATE INDEX payment_method_customer ON payment_method (merchant_id, customer_id, payment_method_id);

-- A purchase (invoice) that one or several payments pay. The name avoids a word of SQL.
CREATE TABLE purchase (
    merchant_id BIGINT NOT NULL,
    order_id BYTEA NOT NULL,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 3), -- 1 open, 2 paid, 3 canceled
    version BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 4611686018427387903),
    currency SMALLINT NOT NULL,
    reserved BIGINT NOT NULL,        -- by payments that are under way or hold money
    paid BIGINT NOT NULL,            -- captured
    refunded BIGINT NOT NULL,
    customer_id BYTEA,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    details VARCHAR(65536) NOT NULL, -- rendered members: description, reference, metadata
    PRIMARY KEY (merchant_id, order_id),
    CHECK (reserved >= 0 AND refunded >= 0 AND refunded <= paid)
)@WITHOUT_ROWID@;

-- What payments, refunds and disputes are found by.
CREATE TABLE lookup (
    merchant_id BIGINT NOT NULL,
    object SMALLINT NOT NULL,        -- 1 payment, 2 refund, 3 dispute, 4 customer, 5 order
    kind SMALLINT NOT NULL,          -- see search/search.h
    value VARCHAR(128) NOT NULL,
    object_id BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, object, kind, value, object_id)
)@WITHOUT_ROWID@;

-- A provider's webhook names the account alone.
CREATE INDEX provider_account_id ON provider_account (account_id);
