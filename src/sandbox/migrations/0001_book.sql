-- The sandbox's own book, a store apart from Florin's. It has one merchant: merchant_id is always 1.

-- A charge, under the caller's reference. State: 1 in progress, 2 authorized, 3 captured, 4 voided, 5 refused,
-- 6 reversed before it came.
CREATE TABLE charge (
    merchant_id BIGINT NOT NULL,
    reference VARCHAR(64) NOT NULL,
    charge_id BYTEA NOT NULL,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 6),
    requested BIGINT NOT NULL,     -- the amount asked for
    amount BIGINT NOT NULL,        -- the amount taken; differs for pm_tok_amount_shift
    currency VARCHAR(3) NOT NULL,
    capture SMALLINT NOT NULL CHECK (capture IN (0, 1)),
    captured BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    calls BIGINT NOT NULL,         -- charge requests received with this reference
    code VARCHAR(24) NOT NULL,     -- why it was refused
    script VARCHAR(40) NOT NULL,   -- the token, when a later operation is to misbehave
    CHECK (amount BETWEEN 1 AND 4611686018427387903),
    CHECK (captured BETWEEN 0 AND amount),
    CHECK (refunded BETWEEN 0 AND captured),
    PRIMARY KEY (merchant_id, reference)
)@WITHOUT_ROWID@;

-- A capture, void or refund, with what was answered.
CREATE TABLE operation (
    merchant_id BIGINT NOT NULL,
    reference VARCHAR(64) NOT NULL,
    operation_id BYTEA NOT NULL,
    kind SMALLINT NOT NULL CHECK (kind BETWEEN 1 AND 3), -- 1 capture, 2 void, 3 refund
    charge_reference VARCHAR(64) NOT NULL,
    charge_id BYTEA NOT NULL,
    amount BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 4611686018427387903),
    currency VARCHAR(3) NOT NULL,
    code VARCHAR(24) NOT NULL,     -- why it was refused; empty: approved
    PRIMARY KEY (merchant_id, reference)
)@WITHOUT_ROWID@;
