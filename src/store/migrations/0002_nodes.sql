-- Several nodes on one database.

-- What a writer committed last, by merchant: whoever lost the answer to a COMMIT asks here.
CREATE TABLE commit_mark (
    merchant_id BIGINT NOT NULL,    -- 0: of no merchant alone
    writer_id BYTEA NOT NULL,       -- 16 random bytes of a connection
    number BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, writer_id)
)@WITHOUT_ROWID@;

-- One row: programs that know no schema older than this version may use the store. Raised by a migration that older
-- programs cannot live with, and beyond every version while a copy is under way.
CREATE TABLE schema_floor (
    merchant_id BIGINT NOT NULL,    -- 0
    version BIGINT NOT NULL,
    PRIMARY KEY (merchant_id)
)@WITHOUT_ROWID@;
INSERT INTO schema_floor (merchant_id, version) VALUES (0, 2);
