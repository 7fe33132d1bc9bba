-- The outbox of webhooks, and what became of each. Rows are numbered as they are put.

-- State: 1 waiting (due at due_ms), 2 held back (the same, later ones first), 3 accepted, 4 given up, 5 never sent on purpose.
-- Manner: 0 plain, 1 forged, 2 stale, 3 signed with another account's secret, 4 malformed.
CREATE TABLE notification (
    merchant_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    event_id BYTEA NOT NULL,               -- the same for a repetition
    charge_reference VARCHAR(64) NOT NULL,
    subject VARCHAR(64) NOT NULL,          -- reference of the operation, or id of the dispute, that it tells of
    type VARCHAR(40) NOT NULL,
    manner SMALLINT NOT NULL CHECK (manner BETWEEN 0 AND 4),
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 5),
    created_ms BIGINT NOT NULL,
    due_ms BIGINT,
    attempts SMALLINT NOT NULL,
    sent_ms BIGINT NOT NULL,               -- the last attempt; 0: none
    status SMALLINT NOT NULL,              -- its HTTP status; 0: no answer
    answer VARCHAR(200) NOT NULL,          -- the beginning of what was answered, or why nothing was
    url VARCHAR(2048) NOT NULL,
    secret VARCHAR(64) NOT NULL,
    body VARCHAR NOT NULL,
    CHECK ((due_ms IS NULL) = (state >= 3)),
    PRIMARY KEY (merchant_id, seq)
);
CREATE INDEX notification_due ON notification (merchant_id, due_ms, seq);
CREATE INDEX notification_charge ON notification (merchant_id, charge_reference, seq);
CREATE INDEX notification_subject ON notification (merchant_id, subject, seq);

-- For the page of a charge.
CREATE INDEX operation_by_charge ON operation (merchant_id, charge_reference);
