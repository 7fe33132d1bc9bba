/* Flow payment_sync: takes over the parked position of a payment and inquires at once. */
#include "payments/authorize.h"

static err_t sync_begin(struct store_tx *tx, struct flow_run *run)
{
    struct payment p;
    bool taken = false;
    err_t err = payment_load_subject(tx, run, run->subject, &p);
    bool waits = !err && p.state == PAYMENT_REQUIRES_ACTION;
    if (waits)
        err = flow_take(tx, run, p.id, p.attempt, &taken);
    else if (!err && p.state == PAYMENT_PROCESSING)
        err = flow_take(tx, run, p.id, p.operations, &taken);
    payment_release(&p);
    if (err)
        return err;
    if (taken) { /* the run is now one of what was parked, at its inquiry */
        if (waits)
            run->step = CREATE_INQUIRE;
        return run->def->steps[run->step].run(tx, run);
    }
    run->effect = FLOW_END;
    return OK;
}

static const struct flow_step steps[] = {{.name = "begin", .run = sync_begin}};
const struct flow_def payment_sync_flow = {
    .kind = 0, .name = "payment_sync", .steps = steps, .steps_n = COUNT_OF(steps)};
