-- Cards of the vault, client tokens, checkout pages, reports of pages. Numbers of cards are not here: the vault has them.

-- A card of the vault: its token is `pm_tok_` and the method's id. One of no customer was typed just now. A CHECK cannot be
-- altered everywhere: the table is made anew.
CREATE TABLE payment_method_new (
    merchant_id BIGINT NOT NULL,
    payment_method_id BYTEA NOT NULL,
    customer_id BYTEA,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 3), -- 1 attached, 2 detached, 3 unattached
    version BIGINT NOT NULL,
    event_last BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    card_exp_month SMALLINT,
    card_exp_year SMALLINT,
    card_fingerprint BYTEA,                                -- 16 bytes, keyed, of this merchant alone
    token VARCHAR(255) NOT NULL,
    card_brand VARCHAR(16),
    card_last_four VARCHAR(4),
    card_bin VARCHAR(8),
    card_funding VARCHAR(8),                               -- credit, debit, prepaid
    card_country VARCHAR(2),                               -- ISO 3166-1
    card_issuer VARCHAR(80),
    network_transaction_id VARCHAR(64),                    -- of the first payment with it
    details VARCHAR(65536) NOT NULL,                       -- rendered members: metadata
    PRIMARY KEY (merchant_id, payment_method_id)
)@WITHOUT_ROWID@;
INSERT INTO payment_method_new (merchant_id, payment_method_id, customer_id, state, version, event_last, created_at, updated_at,
    token, card_brand, card_last_four, network_transaction_id, details)
SELECT merchant_id, payment_method_id, customer_id, state, version, event_last, created_at, updated_at, token, card_brand,
    card_last_four, network_transaction_id, details FROM payment_method;
DROP TABLE payment_method;
ALTER TABLE payment_method_new RENAME TO payment_method;
CREATE INDEX payment_method_customer ON payment_method (merchant_id, customer_id, payment_method_id);
-- The same card, typed again.
CREATE INDEX payment_method_fingerprint ON payment_method (merchant_id, card_fingerprint, payment_method_id)
    WHERE card_fingerprint IS NOT NULL;

-- Where this account's requests with cards may go: lines that an operator signed.
ALTER TABLE provider_account ADD COLUMN permit VARCHAR(4096);

-- In which vault this database's cards are: one row.
CREATE TABLE card_vault (
    merchant_id BIGINT NOT NULL,                                   -- 0: one for all
    vault_id BYTEA NOT NULL,                                       -- 16 bytes
    since BIGINT NOT NULL,
    PRIMARY KEY (merchant_id)
)@WITHOUT_ROWID@;

-- What a merchant lets a browser do, once.
CREATE TABLE client_token (
    merchant_id BIGINT NOT NULL,
    token_hash BYTEA NOT NULL,                                     -- SHA-256 of its text
    token_id BYTEA NOT NULL,                                       -- what it is called by
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 3),         -- 1 issued, 2 a card was given, 3 used
    purpose SMALLINT NOT NULL CHECK (purpose IN (1, 2)),           -- 1 payment_method, 2 payment
    amount_min BIGINT NOT NULL,
    amount_max BIGINT NOT NULL,
    currency SMALLINT NOT NULL,                                    -- 0 none
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    customer_id BYTEA,
    checkout_id BYTEA,                                             -- made for a visit of that page
    payment_method_id BYTEA,                                       -- the card that was given
    payment_id BYTEA,
    origin VARCHAR(255) NOT NULL,                                  -- of the page it is for
    details VARCHAR(65536) NOT NULL,                               -- JSON: what its payment will have
    PRIMARY KEY (merchant_id, token_hash),
    CHECK (amount_min >= 0 AND amount_min <= amount_max),
    CHECK (payment_id IS NULL OR state = 3)
)@WITHOUT_ROWID@;

-- A page on which a customer pays.
CREATE TABLE checkout (
    merchant_id BIGINT NOT NULL,
    checkout_id BYTEA NOT NULL,
    state SMALLINT NOT NULL CHECK (state IN (1, 2)),               -- 1 open, 2 closed
    version BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 4611686018427387903),
    currency SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    customer_id BYTEA,
    payment_id BYTEA,                                              -- the last one that was begun on it
    locale VARCHAR(16),                                            -- NULL: the browser's
    details VARCHAR(65536) NOT NULL,                               -- JSON: what its payments will have
    items VARCHAR(262144) NOT NULL,                                -- JSON: an array
    PRIMARY KEY (merchant_id, checkout_id)
)@WITHOUT_ROWID@;

-- What browsers reported of our pages: evidence for PCI DSS 6.4.3 and 11.6.1. Equal ones of a day are counted.
CREATE TABLE page_report (
    merchant_id BIGINT NOT NULL,                                   -- 0: pages are of no merchant
    report_key BYTEA NOT NULL,                                     -- the day (4 bytes), and 12 over the content
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    times BIGINT NOT NULL,
    content VARCHAR(16384) NOT NULL,                               -- JSON, cleaned
    PRIMARY KEY (merchant_id, report_key)
)@WITHOUT_ROWID@;
