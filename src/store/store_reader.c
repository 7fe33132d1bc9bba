/* Readers: each thread has a connection of its own and runs one operation at a time on one
 * snapshot. */
#include "store/store_internal.h"

/* A client waits: with the repeats it is about two seconds. */
#define READ_PAUSE_US 100000

static err_t read_attempt(struct reader *r, struct store_op *op)
{
    const struct engine *e = r->conn->engine;
    struct store_tx tx = {.store = r->store, .conn = r->conn};
    err_t err = e->begin(r->conn);
    if (err)
        return err;
    err = op->run(&tx, op->arg);
    e->end_rows(r->conn);
    e->rollback(r->conn);
    return tx.failed ? tx.failed : err;
}

bool reader_step(struct reader *r, bool wait)
{
    int64_t left;
    struct store_op *op = op_queue_take(&r->store->reads, 1, wait, &left);
    if (!op)
        return false;
    err_t err = read_attempt(r, op);
    for (int repeat = 1; (err == ERR_SOFT || err == ERR_UNAVAILABLE) && repeat <= REPEATS_MAX;
         repeat++) {
        if (err == ERR_UNAVAILABLE)
            pause_before(repeat, READ_PAUSE_US);
        err = read_attempt(r, op);
    }
    op->result = err;
    op->done(err, op->arg);
    return true;
}

void *reader_main(void *arg)
{
    ASSERT(((struct reader *)arg)->conn != NULL);
    while (reader_step(arg, true))
        ;
    return NULL;
}
