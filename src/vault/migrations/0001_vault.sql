-- The vault's own file: ciphertext, wrapped keys, and who did what. Nothing here opens without a master key.

-- Which vault this is: one row, made once, the same in every copy of it.
CREATE TABLE vault (
    merchant_id BIGINT NOT NULL,     -- 0
    vault_id BYTEA NOT NULL,         -- 16 bytes of chance
    PRIMARY KEY (merchant_id)
)@WITHOUT_ROWID@;

-- Master keys that this vault has had. The key itself is not here; of a token's (PKCS#11) its wrapped form is.
CREATE TABLE master (
    merchant_id BIGINT NOT NULL,     -- 0: of the vault
    version BIGINT NOT NULL,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 3), -- 1 current, 2 retiring, 3 retired
    source SMALLINT NOT NULL CHECK (source BETWEEN 1 AND 3), -- 1 file or descriptor, 2 PKCS#11, 3 shares
    created_at BIGINT NOT NULL,
    check_value BYTEA NOT NULL,      -- tells whether a key is this one
    wrapped BYTEA,                   -- source 2
    PRIMARY KEY (merchant_id, version)
)@WITHOUT_ROWID@;

-- Keys of a merchant, wrapped by a master key.
CREATE TABLE data_key (
    merchant_id BIGINT NOT NULL,
    purpose SMALLINT NOT NULL CHECK (purpose IN (1, 2)), -- 1 seals cards, 2 makes fingerprints (never changes)
    version BIGINT NOT NULL,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 3), -- 1 current, 2 retiring, 3 retired
    master_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    wrapped BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, purpose, version)
)@WITHOUT_ROWID@;
CREATE INDEX data_key_master ON data_key (master_version, merchant_id);
CREATE INDEX data_key_state ON data_key (purpose, state, merchant_id);

CREATE TABLE card (
    merchant_id BIGINT NOT NULL,
    card_id BYTEA NOT NULL,
    key_version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    keep_until BIGINT NOT NULL,      -- 0: until it is deleted
    fingerprint BYTEA NOT NULL,      -- 16 bytes, keyed
    sealed BYTEA NOT NULL,           -- bound to merchant, card and key version
    PRIMARY KEY (merchant_id, card_id)
)@WITHOUT_ROWID@;
CREATE INDEX card_key ON card (merchant_id, key_version, card_id);
CREATE INDEX card_end ON card (keep_until) WHERE keep_until > 0;

-- Who did what with which card; each row's hash is over the one before.
CREATE TABLE audit (
    merchant_id BIGINT NOT NULL,     -- 0: of the vault, one chain for all
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    action SMALLINT NOT NULL,        -- enum vault_action
    whose BIGINT NOT NULL,           -- merchant, 0 none
    card_id BYTEA,
    detail VARCHAR(255) NOT NULL,    -- reference, host, uid of the operator …
    hash BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, number)
)@WITHOUT_ROWID@;
