/* What callers of the store do not see: queues, notes, readers, and what an engine has to offer.
 * Everything here but an engine's own files is free of SQLite and PostgreSQL. */
#ifndef FLORIN_STORE_INTERNAL_H
#define FLORIN_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/store.h"

/* --- an engine --- */
struct conn {
    const struct engine *engine; /* first member of the engine's own struct */
    /* A statement that was sent without waiting has failed: whose it was is not known. The engine
     * sets it, and `begin` clears it. */
    bool late;
    /* A commit was sent and nobody can tell what became of it: never to be run again. As `late`. */
    bool unknown;
};
struct store_row {
    const struct engine *engine; /* first member of the engine's own struct */
};

enum conn_kind { CONN_WRITER, CONN_READER };

struct conn_options {
    const char *path; /* file or connection URI */
    enum conn_kind kind;
    bool create; /* make the file when there is none */
    int cache_kib;
    int checkpoint_pages; /* 0: the engine's own choice */
};

/* Errors of all that return err_t, as in store.h: ERR_SOFT repeat the transaction, ERR_UNAVAILABLE
 * repeat it after a pause (no connection), ERR_STATE a violated UNIQUE or CHECK, ERR_NO_MEMORY,
 * ERR_STORE. A failure that leaves it unknown what is on
 * disk, or a transaction that ended by itself, ends the process. Until `serve` was called such
 * failures are ERR_STORE: a wrong file is no reason to abort. One thread at a time uses a conn. */
struct engine {
    const char *name;
    const char *without_rowid; /* what stands for @WITHOUT_ROWID@ in migrations */
    bool shared;               /* other processes may write too: merchants are locked */

    err_t (*open)(const struct conn_options *options, struct conn **ret, struct err_info *reterr);
    /* Ends it; a writer first moves everything into the database proper. */
    void (*close)(struct conn *c);
    /* From here on: only SELECT, INSERT, UPDATE and DELETE; of append_only tables (NULL-terminated)
     * no UPDATE or DELETE. */
    err_t (*serve)(struct conn *c, const char *const *append_only, struct err_info *reterr);

    err_t (*begin)(struct conn *c);
    /* Durable when OK; ERR_SOFT: nothing was committed, roll back; ERR_UNAVAILABLE: not known. An
     * engine that can lose the answer marks the commit with the merchant, so that it can ask. */
    err_t (*commit)(struct conn *c, int64_t merchant_id);
    void (*rollback)(struct conn *c);
    /* A number that differs whenever a row was changed in between. */
    int64_t (*changes)(struct conn *c);
    /* One level inside a transaction: an operation of a batch. Each invalidates all rows. */
    err_t (*savepoint)(struct conn *c);
    err_t (*release)(struct conn *c);
    err_t (*rollback_to)(struct conn *c); /* and release */
    /* Ends all rows: nothing of the operation's memory is referred to any more. */
    void (*end_rows)(struct conn *c);

    err_t (*exec)(struct conn *c, enum sql_id id, const struct sql_value *v, size_t n,
                  int64_t *ret_changed);
    /* Sends without waiting; a failure, or another row count than `expected` (if that is not
     * negative), is the error of a later call and sets `late`. NULL: the engine has no such way. */
    err_t (*exec_later)(struct conn *c, enum sql_id id, const struct sql_value *v, size_t n,
                        int64_t expected);
    /* See store_ahead; failures as for exec_later. NULL: the engine has no such way. */
    void (*ahead)(struct conn *c, enum sql_id id, int64_t value);
    err_t (*one)(struct conn *c, enum sql_id id, const struct sql_value *v, size_t n,
                 struct store_row **ret);
    err_t (*each)(struct conn *c, enum sql_id id, const struct sql_value *v, size_t n,
                  err_t (*each)(struct store_row *row, void *arg), void *arg);
    bool (*row_null)(struct store_row *row, int col);
    int64_t (*row_int)(struct store_row *row, int col);
    struct str (*row_text)(struct store_row *row, int col);

    /* Outside of normal work: several statements of text, a table's existence, the preparation of
     * one statement. */
    err_t (*script)(struct conn *c, const char *text, struct err_info *reterr);
    err_t (*has_table)(struct conn *c, const char *name, bool *ret, struct err_info *reterr);
    err_t (*prepare)(struct conn *c, enum sql_id id, struct err_info *reterr);
    /* Inside a transaction: until its end nobody else changes the schema. NULL: nobody can. */
    err_t (*lock_schema)(struct conn *c, struct err_info *reterr);
    /* Housekeeping of the writer between batches, after the answers went out. */
    void (*maintain)(struct conn *c); /* NULL: nothing to do */
};
extern const struct engine engine_sqlite, engine_postgres;

/* --- notes of a batch --- */
struct note_list {
    struct store_note *p;
    size_t n, cap;
};

/* --- a batch's merchants: their locks, and the numbers taken from `sequencer`, which is written
 * once at the end --- */
struct sequence {
    int64_t merchant_id;
    /* event and journal: in the row; with the operations that stand; with the one under way */
    int64_t stored[2], stands[2], taken[2];
};
struct sequence_list {
    struct sequence *p;
    size_t n, cap;
};
/* After an operation that stands, or one that does not: `n` is the list's length before it. */
void sequences_stand(struct sequence_list *l);
void sequences_drop(struct sequence_list *l, size_t n);
/* Writes what was taken. */
MUST_CHECK err_t sequences_save(struct store_tx *tx);

/* --- a transaction --- */
struct store_tx {
    struct store *store; /* NULL in migrations */
    struct conn *conn;
    struct note_list *notes; /* NULL: notes are not taken here */
    /* The first error of a statement. As on PostgreSQL, nothing more can be done in this operation
     * after it. */
    err_t failed;
    bool careful; /* nothing is put off: each failure is found where it happens */
    struct sequence_list *sequences; /* NULL: no numbers and no locks here */
};

/* --- queue of operations: many producers; batches for the writer, single ones for readers --- */
struct op_queue {
    pthread_mutex_t lock;
    pthread_cond_t nonempty;
    struct store_op *head, **tail;
    int64_t count, max;
    int waiting;
    bool closed;
};
void op_queue_init(struct op_queue *q, int64_t max);
/* false when full or closed. */
MUST_CHECK bool op_queue_put(struct op_queue *q, struct store_op *op);
/* Up to max operations as a list in order of arrival; waits for the first, when `wait`, until the
 * queue is closed. NULL: there is none. */
struct store_op *op_queue_take(struct op_queue *q, int64_t max, bool wait, int64_t *ret_left);
void op_queue_close(struct op_queue *q);
void op_queue_release(struct op_queue *q);

struct writer {
    struct store *store;
    struct conn *conn;
    struct op_queue queue;
    pthread_t thread;
    struct note_list notes;
    struct sequence_list sequences;
    int careful_left;              /* batches to run with savepoints from the start */
    _Atomic int64_t busy_since_us; /* monotonic start of the batch under way; 0: idle */
    _Atomic int64_t left;          /* in the queue when that was taken */
};

struct reader {
    struct store *store;
    struct conn *conn;
    pthread_t thread;
};

struct store {
    const struct engine *engine;
    struct store_hooks hooks;
    char migrations[32];
    int batch_max;
    struct op_queue reads;
    struct writer *writers;
    struct reader *readers;
    int writers_n, readers_n; /* with a connection */
    bool stepped;             /* no threads: see store_config */
    bool shared;              /* as the engine says, or the configuration */
    int stepping;             /* a step is under way */
    _Atomic bool closing;
    _Atomic bool away; /* the database did not answer the writer that asked last */
};

/* Tables that only grow, ended by NULL. Kept so by an authorizer on SQLite and by the grants of
 * after/postgres.sql, not by triggers. */
extern const char *const store_append_only[];

/* How long a batch, or the question after a lost commit, waits for a database that is away. */
#define AWAY_MAX_US 20000000
#define AWAY_PAUSE_US 50000
#define AWAY_REPEAT_MAX 6 /* the longest pause is this many times the shortest */

/* How often a transaction or an operation that asks for it is repeated. */
#define REPEATS_MAX 5

/* One batch, one read; waits for work when `wait`. false: there was none. */
bool writer_step(struct writer *w, bool wait);
bool reader_step(struct reader *r, bool wait);
/* Steps until the queue is closed. */
void *writer_main(void *arg);
void *reader_main(void *arg);
/* Runs one batch (a list of at least one operation) and calls every `done`. */
void batch_run(struct writer *w, struct store_op *list);
/* Waits before a repeat: longer with each, and never the same for two writers. */
void pause_before(int repeat, int64_t unit_us);

/* In table schema_floor while a copy into the store is under way. */
#define SCHEMA_FLOOR_COPYING INT64_C(1000000000)
/* The file of src/store/after; NULL: there is none. */
const char *after_text(const char *name);
/* The last is for the copy itself, which may see a store that is not whole. */
enum migrate_mode { MIGRATE_CHECK, MIGRATE_RUN, MIGRATE_UNFINISHED };
/* Brings the schema to the newest migration of the list (ascending versions), or checks that it is
 * there. */
MUST_CHECK err_t migrate_run(struct conn *c, const struct sql_migration *list, size_t n,
                             const char *set, enum migrate_mode mode, struct err_info *reterr);

#endif
