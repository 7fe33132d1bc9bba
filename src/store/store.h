/* store: transactions, statements, migrations, group commit, jobs with fenced leases. One header,
 * more than one engine.
 *
 * Statements live in src/<room>/sql/<verb>_<noun>.sql, one each, with a comment head (params,
 * result, index used), in the portable subset; the build makes the enum below from them:
 * src/payments/sql/insert_payment.sql → SQL_PAYMENTS_INSERT_PAYMENT. Parameters are $1, $2 … in
 * ascending first use. */
#ifndef FLORIN_STORE_H
#define FLORIN_STORE_H

#include "base/base.h"
#include "store/sql_gen.h" /* generated: enum sql_id */

struct store;
struct store_tx;  /* an open transaction or a read snapshot; one thread, one operation */
struct store_row; /* one result row; see store_one */

/* --- values --- */
struct sql_value {
    enum { SQL_V_NULL, SQL_V_INT, SQL_V_BLOB, SQL_V_TEXT } type;
    int64_t i;
    struct str s;
};
#define V_INT(v) ((struct sql_value){.type = SQL_V_INT, .i = (v)})
/* A view; the absent view is NULL. */
#define V_TEXT(v) ((struct sql_value){.type = SQL_V_TEXT, .s = (v)})
#define V_BLOB(ptr, len) ((struct sql_value){.type = SQL_V_BLOB, .s = {(const char *)(ptr), (len)}})
#define V_ID(idp) V_BLOB((idp)->b, 16) /* pointer to a struct id */
#define V_NULL ((struct sql_value){.type = SQL_V_NULL})

/* --- statements, inside a transaction --- */
/* All: Errors: ERR_SOFT (repeat the whole transaction), ERR_STATE for a violated UNIQUE or CHECK,
 * ERR_STORE; a disk failure ends the process. After an error the operation takes no further
 * statement (PostgreSQL would not either): later ones give the same error, and the operation fails
 * with it whatever `run` returns. To insert what may be there, ON CONFLICT DO NOTHING and look at
 * *ret_changed. Values are bound in order, without a copy: they must stay until the call returns.
 */
/* Shape: ret_changed may be NULL when nobody looks at it. */
MUST_CHECK err_t store_exec_n(struct store_tx *tx, enum sql_id id, const struct sql_value *v,
                              size_t n, int64_t *ret_changed);
/* At most one row. Shape: *ret is NULL when there is none; it is valid until the next call with the
 * same statement in this transaction, or the end of the operation. */
MUST_CHECK err_t store_one_n(struct store_tx *tx, enum sql_id id, const struct sql_value *v,
                             size_t n, struct store_row **ret);
/* Calls each(row, arg) per row until it returns non-OK, which is passed on. `each` may run other
 * statements (never the same one: asserted) but must not change the rows that are being read. */
MUST_CHECK err_t store_each_n(struct store_tx *tx, enum sql_id id, const struct sql_value *v,
                              size_t n, err_t (*each)(struct store_row *row, void *arg), void *arg);
/* A write that must change exactly one row, or the operation fails with `otherwise`. May be sent
 * and judged later than at once, at the latest before the commit: cheaper than looking at
 * *ret_changed. `otherwise` says what it means: ERR_SOFT where another may have changed the row
 * since it was read (the transaction is begun again and reads it anew), an error of its own where
 * repeating would change nothing. Where it is judged late it is ERR_SOFT first: the repetition
 * judges at once, and then it is `otherwise`. */
MUST_CHECK err_t store_exec_one_n(struct store_tx *tx, enum sql_id id, const struct sql_value *v,
                                  size_t n, err_t otherwise);
/* Says that store_one or store_each of a statement with this one parameter will follow in this
 * operation, with no write in between that it must see: where statements travel, it goes out now
 * and its rows come with the next answer. Never needed, and free to be useless. */
void store_ahead(struct store_tx *tx, enum sql_id id, int64_t value);
#define STORE_VALUES(...)                                                                          \
    (const struct sql_value[]){__VA_ARGS__},                                                       \
        sizeof((const struct sql_value[]){__VA_ARGS__}) / sizeof(struct sql_value)
#define store_exec(tx, id, ret_changed, ...)                                                       \
    store_exec_n(tx, id, STORE_VALUES(__VA_ARGS__), ret_changed)
#define store_exec_one(tx, id, otherwise, ...)                                                     \
    store_exec_one_n(tx, id, STORE_VALUES(__VA_ARGS__), otherwise)
#define store_one(tx, id, ret, ...) store_one_n(tx, id, STORE_VALUES(__VA_ARGS__), ret)
#define store_each(tx, id, each, arg, ...)                                                         \
    store_each_n(tx, id, STORE_VALUES(__VA_ARGS__), each, arg)

/* Columns count from 0. */
bool row_null(struct store_row *row, int col);
int64_t row_int(struct store_row *row, int col);
struct str row_text(struct store_row *row, int col); /* also blobs; absent view for NULL */
/* Zero id for NULL; any length but 16 is a broken store: panic. */
struct id row_id(struct store_row *row, int col);

/* --- notes: what an operation tells the end of its batch; dropped when the operation is rolled
 * back --- */
struct store_note {
    uint32_t kind; /* NOTE_* below */
    int64_t merchant_id, seq;
    uint8_t hash[32];
};
enum { NOTE_JOURNAL = 1, NOTE_EVENT = 2 };
/* Adds a note to the operation. Errors: ERR_NO_MEMORY. */
MUST_CHECK err_t store_note(struct store_tx *tx, const struct store_note *note);

struct store_hooks {
    /* Runs once per batch, in its transaction, before COMMIT, with the notes of all operations that
     * stand, in order. */
    err_t (*before_commit)(struct store_tx *tx, const struct store_note *notes, size_t n,
                           int64_t now_us, void *arg);
    /* After a durable COMMIT, before any `done`. Must not block. */
    void (*after_commit)(const struct store_note *notes, size_t n, void *arg);
    void *arg;
};

/* --- one merchant at a time --- */
/* Until the transaction ends, no other process writes rows of this merchant: what was read stays
 * true. Operations submitted with a merchant_id hold its lock from the start; others take it before
 * they decide by what they read, several in ascending order. Several nodes agree by the merchant's
 * row in `sequencer`; where one process owns the store nothing has to be locked. */
MUST_CHECK err_t store_lock(struct store_tx *tx, int64_t merchant_id);

/* --- sequencer: dense numbers per merchant, in commit order (table sequencer) --- */
enum store_sequence { SEQUENCE_EVENT = 0, SEQUENCE_JOURNAL = 1 };
/* The next number, from 1. Locks the merchant. Taken back with the operation's roll-back, so there
 * are no holes. */
MUST_CHECK err_t store_next(struct store_tx *tx, int64_t merchant_id, enum store_sequence which,
                            int64_t *ret);

/* --- operations --- */
/* One unit of work for the writer. The submitter owns the memory; it must live until `done` was
 * called. */
struct store_op {
    struct store_op *next; /* the store's */
    /* Whose rows `run` changes. 0: of many merchants, or none; it then takes locks by itself. */
    int64_t merchant_id;
    /* Repeatable, and is repeated: only what a second run overwrites may it change outside the
     * store. Non-OK rolls back this operation alone. */
    err_t (*run)(struct store_tx *tx, void *arg);
    /* After the commit (err OK) or roll-back; any thread; must not block. */
    void (*done)(err_t err, void *arg);
    void *arg;
    err_t result; /* the store's */
};

struct store_config {
    const char *path;       /* a SQLite file, or postgres://… (libpq's connection URI) */
    const char *migrations; /* name of the migration set: "florin" or "sandbox" */
    int batch_max, readers, cache_kib;
    bool unfinished;      /* may be a store that a copy has not ended (store_copy.h) */
    int writers;          /* connections that write; 0 is 1, and SQLite has one always */
    int checkpoint_pages; /* SQLite: pages of the log that are worth moving; 0: its own choice */
    bool stepped;         /* no threads: work is done by store_step and by calls that wait */
    bool shared; /* treat a SQLite file as one that other nodes write too, which is safe only
                    where they do not run at the same time: in the simulator */
    int64_t queue_max;
    struct store_hooks hooks;
};
/* Is it a connection URI, not a file? */
bool store_is_remote(const char *path);
/* Opens, checks the schema, runs missing migrations when `migrate`, starts the writer and reader
 * threads. Errors: ERR_STORE: with the sentence in reterr (schema newer than the program, checksum
 * of a migration differs …). */
MUST_CHECK err_t store_open(const struct store_config *config, bool migrate, struct store **ret,
                            struct err_info *reterr);
/* Finishes what is queued, checkpoints, closes. */
void store_close(struct store *s);

/* Queues a write. Errors: ERR_UNAVAILABLE when the queue is full or the store is closing (done is
 * then not called). Operations of one merchant run in order of submission. `done` gets
 * ERR_UNAVAILABLE when the database could not be reached for long, and then it may not even be
 * known whether the operation stands. */
MUST_CHECK err_t store_submit(struct store *s, struct store_op *op);
/* Queues a read: `run` sees one snapshot of committed data, writes are refused; `done` comes on the
 * reader's thread. */
MUST_CHECK err_t store_submit_read(struct store *s, struct store_op *op);
/* The same and waits; for programs and tests, never on a writer's or an event loop's thread. */
MUST_CHECK err_t store_write(struct store *s, int64_t merchant_id,
                             err_t (*run)(struct store_tx *, void *), void *arg);
MUST_CHECK err_t store_read(struct store *s, err_t (*run)(struct store_tx *, void *), void *arg);
/* A stepped store: runs one batch and a read of each reader, if there are any. Not from within one.
 */
bool store_step(struct store *s);
/* Is nothing queued? Of a stepped store. */
bool store_idle(const struct store *s);
/* Does every writer end its batches in time, and did the database answer last time? For /readyz. */
bool store_ready(struct store *s);
/* May other processes write to the same database at the same time? */
bool store_shared(const struct store *s);

/* Prepares every statement of a migration set's rooms; the test of all .sql files. Errors:
 * ERR_STORE, names the statement. */
MUST_CHECK err_t store_prepare_all(struct store *s, struct err_info *reterr);

/* Runs src/store/after/<name>.sql, for engines that an operator has to name (citus). Errors:
 * ERR_NOT_FOUND, ERR_STORE with the engine's sentence. */
MUST_CHECK err_t store_after(struct store *s, const char *name, struct err_info *reterr);

/* --- a copy of a SQLite store, as it stands when it is begun --- */
struct store_backup;
/* Begins one, of the file of a store that this process may have open, as a file that must not be
 * there. Errors: ERR_STORE with the sentence (also: the store is no file), ERR_NO_MEMORY. */
MUST_CHECK err_t store_backup_begin(const char *from, const char *path, struct store_backup **ret,
                                    struct err_info *reterr);
/* Copies at most that many pages; what is written to the store meanwhile is not in the copy.
 * *ret_more false: it is whole and durable. Errors: ERR_IO, ERR_NO_MEMORY: end it. */
MUST_CHECK err_t store_backup_step(struct store_backup *b, int pages, bool *ret_more);
/* Is it a whole SQLite file that nobody has open? Errors: ERR_STORE with the sentence. */
MUST_CHECK err_t store_file_check(const char *path, struct err_info *reterr);
/* Closes both; a file that is not whole is the caller's to delete. NULL is allowed. */
void store_backup_end(struct store_backup *b);

/* --- jobs: durable work with a fenced lease (table job) --- */
#define JOB_PAYLOAD_MAX 96
struct job {
    int64_t merchant_id;
    struct id id;
    int16_t kind;     /* JOB_* */
    int64_t due_us;   /* not before; while leased: the lease's end */
    int64_t epoch;    /* the fence: who holds another epoch has lost the lease */
    int64_t until_us; /* lease end; 0 = free */
    int32_t attempts;
    size_t payload_n;
    uint8_t payload[JOB_PAYLOAD_MAX];
};
/* FLOW: unfinished; TIMER: something to be done at a later date; CARD: something that the vault has
 * to be told of a card. */
enum { JOB_FLOW = 1, JOB_DELIVERY = 2, JOB_FANOUT = 3, JOB_TIMER = 4, JOB_CARD = 5 };

/* Inserts it, already leased to the caller with epoch 1 until until_us (0: free). */
MUST_CHECK err_t job_add(struct store_tx *tx, struct job *job);
/* Claims up to max jobs of a kind with due_at <= now, oldest first: epoch + 1, lease until now +
 * lease_us. */
MUST_CHECK err_t job_claim(struct store_tx *tx, int16_t kind, int64_t now_us, int64_t lease_us,
                           struct job *out, size_t max, size_t *ret_n);
/* Claims one parked job by id, whatever its due time. *ret_found false: there is none, or it is
 * held. */
MUST_CHECK err_t job_take(struct store_tx *tx, int64_t merchant_id, struct id id, int64_t now_us,
                          int64_t lease_us, struct job *ret, bool *ret_found);
/* Looks at one without claiming it: due, epoch, until (0 free); the payload is left out. */
MUST_CHECK err_t job_read(struct store_tx *tx, int64_t merchant_id, struct id id, struct job *ret,
                          bool *ret_found);
/* Frees every lease, due now: at the start of a store's only owner, whose predecessor is dead. */
MUST_CHECK err_t job_free_all(struct store_tx *tx, int64_t now_us);
/* At the start of a node: no free job of a kind is due later than at latest_us, which is further
 * off than any wait of that kind. What waits longer was set by a clock that was ahead. */
MUST_CHECK err_t job_not_after(struct store_tx *tx, int16_t kind, int64_t latest_us);
/* Done: deletes it. Errors: ERR_LEASE_LOST when the epoch is not the caller's or the lease was
 * given back (nothing that rests on it may then be committed). A lease that ended but that nobody
 * took since is still the caller's. */
MUST_CHECK err_t job_finish(struct store_tx *tx, const struct job *job);
/* The same, and the operation fails with ERR_LEASE_LOST: see store_exec_one. */
MUST_CHECK err_t job_must_finish(struct store_tx *tx, const struct job *job);
/* Not yet: frees the lease, due at job->due_us, attempts + 1, payload as in *job. Errors:
 * ERR_LEASE_LOST. */
MUST_CHECK err_t job_defer(struct store_tx *tx, struct job *job);
/* Writes job->payload and keeps the lease. Errors: ERR_LEASE_LOST. */
MUST_CHECK err_t job_hold(struct store_tx *tx, const struct job *job);
/* Deletes it if it is there, whoever holds it: a holder then loses its lease. */
MUST_CHECK err_t job_drop(struct store_tx *tx, int64_t merchant_id, struct id id);
/* If it is there and free: due at due_us at the latest. */
MUST_CHECK err_t job_hasten(struct store_tx *tx, int64_t merchant_id, struct id id, int64_t due_us);
/* Housekeeping of a shared store: what connections left behind that wrote nothing since. */
MUST_CHECK err_t store_forget_marks(struct store_tx *tx, int64_t before_us);
/* Earliest due_at of a kind; 0 when there is none. */
MUST_CHECK err_t job_next(struct store_tx *tx, int16_t kind, int64_t *ret_us);

#endif
