-- Cards of the vault, client tokens, checkout pages, reports of pages. Numbers of cards are not here: the vault has them.

-- The vault's card: token is `pm_tok_` and the card's id. A method of no customer is one a customer has just typed.
ALTER TABLE payment_method ADD COLUMN card_bin VARCHAR(8);
ALTER TABLE payment_method ADD COLUMN card_funding VARCHAR(8);     -- credit, debit, prepaid
ALTER TABLE payment_method ADD COLUMN card_issuer VARCHAR(80);
ALTER TABLE payment_method ADD COLUMN card_country VARCHAR(2);     -- ISO 3166-1
ALTER TABLE payment_method ADD COLUMN card_exp_month SMALLINT;
ALTER TABLE payment_method ADD COLUMN card_exp_year SMALLINT;
ALTER TABLE payment_method ADD COLUMN card_fingerprint BYTEA;      -- 16 bytes, keyed, of this merchant alone

-- Where this account's requests with cards may go: lines that an operator signed.
ALTER TABLE provider_account ADD COLUMN permit VARCHAR(4096);

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
