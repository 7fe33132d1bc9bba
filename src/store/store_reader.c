/* Readers: each thread has a connection of its own and runs one operation at a time on one
 * snapshot. */
#include "store/store_internal.h"

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

void *reader_main(void *arg)
{
    struct reader *r = arg;
    ASSERT(r->conn != NULL);
    for (;;) {
        int64_t left;
        struct store_op *op = op_queue_take(&r->store->reads, 1, &left);
        if (!op)
            return NULL;
        err_t err = read_attempt(r, op);
        for (int repeat = 0; err == ERR_SOFT && repeat < REPEATS_MAX; repeat++)
            err = read_attempt(r, op);
        op->result = err;
        op->done(err, op->arg);
    }
}
