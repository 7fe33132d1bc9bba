-- The spine. Portable subset (BIGINT, SMALLINT, BYTEA, VARCHAR); @WITHOUT_ROWID@ is " WITHOUT ROWID" on SQLite and
-- nothing elsewhere. Times are microseconds since 1970 UTC. Ids are 16 bytes, time-ordered.
-- merchant_id is a merchant's partition in one mode: even numbers are test, odd ones live; test and live data never meet.

-- One row per merchant (its test partition's number; the live one is that + 1).
CREATE TABLE merchant (
    merchant_id BIGINT NOT NULL,
    public_id BYTEA NOT NULL,               -- mer_…
    name VARCHAR(120) NOT NULL,
    idempotency_required SMALLINT NOT NULL, -- 1: every write needs an Idempotency-Key
    created_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id)
)@WITHOUT_ROWID@;

-- API keys; only a hash is kept.
CREATE TABLE api_key (
    merchant_id BIGINT NOT NULL,
    key_id BYTEA NOT NULL,
    kind SMALLINT NOT NULL CHECK (kind IN (1, 2)), -- 1 secret, 2 publishable
    hash BYTEA NOT NULL,                           -- SHA-256 of the whole key text
    hint VARCHAR(16) NOT NULL,                     -- prefix and last four characters, for people
    name VARCHAR(120) NOT NULL,
    api_version VARCHAR(10) NOT NULL,              -- pinned date
    created_at BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,                    -- 0: valid
    PRIMARY KEY (merchant_id, key_id)
)@WITHOUT_ROWID@;
CREATE INDEX api_key_hash ON api_key (hash);

-- Accounts at providers. credentials is sealed with the master key.
CREATE TABLE provider_account (
    merchant_id BIGINT NOT NULL,
    account_id BYTEA NOT NULL,
    number SMALLINT NOT NULL,        -- small name of it in attempts and in the ledger
    connector VARCHAR(40) NOT NULL,
    status SMALLINT NOT NULL CHECK (status IN (1, 2)), -- 1 enabled, 2 disabled
    priority SMALLINT NOT NULL,      -- lowest first
    credentials BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, account_id),
    UNIQUE (merchant_id, number)
)@WITHOUT_ROWID@;

-- Idempotency keys: small rows, since their order is random; the rest is in `answer`, in order of time.
CREATE TABLE idempotency (
    merchant_id BIGINT NOT NULL,
    key_hash BYTEA NOT NULL,   -- 16 bytes over method, path and key
    answer_id BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, key_hash)
)@WITHOUT_ROWID@;

-- What was answered to a write with a key. The body is the snapshot of an event, or its own bytes.
CREATE TABLE answer (
    merchant_id BIGINT NOT NULL,
    answer_id BYTEA NOT NULL,      -- the request's id
    fingerprint BYTEA NOT NULL,    -- 16 bytes over the body
    status SMALLINT NOT NULL,      -- HTTP status; 0: still running; negative: the body is sealed
    event_sequence BIGINT NOT NULL, -- 0: the body is in this row
    body BYTEA,
    PRIMARY KEY (merchant_id, answer_id)
)@WITHOUT_ROWID@;

-- Payments. Amounts in minor units; the checks repeat the core's rules.
CREATE TABLE payment (
    merchant_id BIGINT NOT NULL,
    payment_id BYTEA NOT NULL,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 11),
    version BIGINT NOT NULL,          -- of the object, dense, counts its events
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 4611686018427387903),
    currency SMALLINT NOT NULL,       -- ISO 4217 number
    capture SMALLINT NOT NULL CHECK (capture IN (0, 1)),
    authorized BIGINT NOT NULL CHECK (authorized BETWEEN 0 AND 4611686018427387903),
    captured BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    refund_pending BIGINT NOT NULL,   -- reserved by refunds under way
    provider_account SMALLINT NOT NULL,
    attempt SMALLINT NOT NULL,        -- number of the current attempt
    operations SMALLINT NOT NULL,     -- numbers given to attempts, captures and cancels
    decline SMALLINT NOT NULL,        -- decline code of the last failure, 0 none
    event_last BIGINT NOT NULL,       -- sequence of its last event, 0 none
    journal_last BIGINT NOT NULL,     -- its last journal, 0 none
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    token VARCHAR(255) NOT NULL,      -- payment_method_token
    details VARCHAR(65536) NOT NULL,  -- rendered members: description, statement_descriptor, return_url, metadata
    PRIMARY KEY (merchant_id, payment_id),
    CHECK (captured BETWEEN 0 AND authorized),
    CHECK (refunded >= 0 AND refund_pending >= 0 AND refunded + refund_pending <= captured)
)@WITHOUT_ROWID@;

-- Attempts: one call chain at one provider. Its id is the payment's with `number` in the low bits.
CREATE TABLE attempt (
    merchant_id BIGINT NOT NULL,
    payment_id BYTEA NOT NULL,
    number SMALLINT NOT NULL,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 10),
    provider_account SMALLINT NOT NULL,
    amount BIGINT NOT NULL,
    decline SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    provider_reference VARCHAR(64),
    network_reference VARCHAR(64),
    authorization_code VARCHAR(16),
    provider_code VARCHAR(64),        -- as the provider said it
    provider_message VARCHAR(255),
    PRIMARY KEY (merchant_id, payment_id, number)
)@WITHOUT_ROWID@;

-- Captures and cancels: later calls on an attempt. Ids as for attempts; numbers are shared with them.
CREATE TABLE operation (
    merchant_id BIGINT NOT NULL,
    payment_id BYTEA NOT NULL,
    number SMALLINT NOT NULL,
    kind SMALLINT NOT NULL CHECK (kind IN (1, 2)),     -- 1 capture, 2 cancel
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 4), -- 1 sent, 2 succeeded, 3 failed, 4 unknown
    amount BIGINT NOT NULL,
    attempt SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    provider_reference VARCHAR(64),
    provider_code VARCHAR(64),
    reason VARCHAR(255),
    PRIMARY KEY (merchant_id, payment_id, number)
)@WITHOUT_ROWID@;

CREATE TABLE refund (
    merchant_id BIGINT NOT NULL,
    refund_id BYTEA NOT NULL,
    payment_id BYTEA NOT NULL,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 4), -- 1 pending, 2 succeeded, 3 failed, 4 canceled
    version BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 4611686018427387903),
    currency SMALLINT NOT NULL,
    provider_account SMALLINT NOT NULL,
    decline SMALLINT NOT NULL,
    event_last BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    provider_reference VARCHAR(64),
    network_reference VARCHAR(64),
    details VARCHAR(65536) NOT NULL, -- rendered members: reason, metadata
    PRIMARY KEY (merchant_id, refund_id)
)@WITHOUT_ROWID@;
CREATE INDEX refund_payment ON refund (merchant_id, payment_id);

-- Dense numbers per merchant, given in commit order.
CREATE TABLE sequencer (
    merchant_id BIGINT NOT NULL,
    event_last BIGINT NOT NULL,
    journal_last BIGINT NOT NULL,
    PRIMARY KEY (merchant_id)
)@WITHOUT_ROWID@;

-- The outbox, and the merchant's event log. Append-only.
CREATE TABLE event (
    merchant_id BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    type SMALLINT NOT NULL,
    object_kind SMALLINT NOT NULL,
    object_id BYTEA NOT NULL,
    object_version BIGINT NOT NULL,
    previous BIGINT NOT NULL,        -- the object's event before this one, 0 none
    created_at BIGINT NOT NULL,
    data VARCHAR(1048576) NOT NULL,
    PRIMARY KEY (merchant_id, sequence)
)@WITHOUT_ROWID@;

-- Double entry. Append-only.
CREATE TABLE journal (
    merchant_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    currency SMALLINT NOT NULL,
    payment_id BYTEA NOT NULL,
    operation_id BYTEA NOT NULL,
    previous BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    effective_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, number)
)@WITHOUT_ROWID@;

CREATE TABLE posting (
    merchant_id BIGINT NOT NULL,
    journal BIGINT NOT NULL,
    leg SMALLINT NOT NULL,
    account SMALLINT NOT NULL,
    unit SMALLINT NOT NULL,
    layer SMALLINT NOT NULL CHECK (layer IN (0, 1)), -- 0 pending, 1 posted
    amount BIGINT NOT NULL CHECK (amount <> 0 AND amount BETWEEN -4611686018427387903 AND 4611686018427387903),
    PRIMARY KEY (merchant_id, journal, leg)
)@WITHOUT_ROWID@;

-- Sums up to a closed journal number; the rest is the tail.
CREATE TABLE balance_snapshot (
    merchant_id BIGINT NOT NULL,
    currency SMALLINT NOT NULL,
    account SMALLINT NOT NULL,
    unit SMALLINT NOT NULL,
    journal_upto BIGINT NOT NULL,
    pending BIGINT NOT NULL,
    posted BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, currency, account, unit)
)@WITHOUT_ROWID@;

-- The hash chain: one row per merchant and writer batch. Append-only.
CREATE TABLE chain (
    merchant_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    journal_upto BIGINT NOT NULL,
    event_upto BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, number)
)@WITHOUT_ROWID@;

CREATE TABLE webhook_endpoint (
    merchant_id BIGINT NOT NULL,
    endpoint_id BYTEA NOT NULL,
    url VARCHAR(2048) NOT NULL,
    status SMALLINT NOT NULL CHECK (status IN (1, 2)), -- 1 enabled, 2 disabled
    version BIGINT NOT NULL,
    event_last BIGINT NOT NULL,
    enabled_events VARCHAR(4096) NOT NULL,             -- JSON array
    secret BYTEA NOT NULL,                             -- sealed
    cursor_sequence BIGINT NOT NULL,                   -- events up to here have their deliveries
    disabled_reason VARCHAR(120),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    details VARCHAR(65536) NOT NULL,                   -- rendered members: description, metadata
    PRIMARY KEY (merchant_id, endpoint_id)
)@WITHOUT_ROWID@;

CREATE TABLE delivery (
    merchant_id BIGINT NOT NULL,
    endpoint_id BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 4), -- 1 pending, 2 succeeded, 3 failed, 4 dropped (endpoint disabled)
    attempts SMALLINT NOT NULL,
    next_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, endpoint_id, sequence)
)@WITHOUT_ROWID@;

CREATE TABLE delivery_attempt (
    merchant_id BIGINT NOT NULL,
    endpoint_id BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    number SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    status SMALLINT NOT NULL,        -- HTTP status, 0 when none came
    duration_us BIGINT NOT NULL,
    error VARCHAR(120),
    response VARCHAR(2048),          -- beginning of the answer's body
    PRIMARY KEY (merchant_id, endpoint_id, sequence, number)
)@WITHOUT_ROWID@;

-- Durable work with a fenced lease. While leased, due_at is the lease's end, so one comparison finds all claimable work.
CREATE TABLE job (
    merchant_id BIGINT NOT NULL,
    job_id BYTEA NOT NULL,
    kind SMALLINT NOT NULL,
    due_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,     -- 0: free
    attempts SMALLINT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (merchant_id, job_id)
)@WITHOUT_ROWID@;
-- Claims look over all merchants, the only such query; the table holds unfinished work alone and stays small.
CREATE INDEX job_due ON job (kind, due_at);
