/* What happens by itself: rows of the table due, carried out one transaction after the other, so
 * that a restart loses nothing. */
#include "sandbox/sandbox_internal.h"

#include "observe/observe.h"
#include "sys/sys.h"

#define SWEEP_MAX 32
#define AGAIN_MS 1000 /* after a failure */

struct due_row {
    int64_t at_us;
    enum due_what what;
    char reference[REFERENCE_MAX + 1];
};
struct sweep {
    struct store_op op;
    struct sandbox *s;
    int64_t now_us;
    struct due_row row[SWEEP_MAX];
    size_t n;
    int64_t next_us; /* when there is something to do again; 0: never */
};
struct due_wait {
    struct wait wait; /* the first */
    struct sandbox *s;
    int64_t at_us;
};

err_t due_add(struct store_tx *tx, int64_t at_us, enum due_what what, struct str reference,
              int64_t *earliest)
{
    if (*earliest == 0 || at_us < *earliest)
        *earliest = at_us;
    return store_exec(tx, SQL_SANDBOX_INSERT_DUE, NULL, V_INT(BOOK_MERCHANT), V_INT(at_us),
                      V_INT(what), V_TEXT(reference));
}

/* --- one transaction --- */
static err_t each_row(struct store_row *row, void *arg)
{
    struct sweep *w = arg;
    struct due_row *d = &w->row[w->n++];
    d->at_us = row_int(row, 0);
    d->what = (enum due_what)row_int(row, 1);
    text_copy(d->reference, sizeof d->reference, row_text(row, 2));
    return OK;
}

/* The end of a hold, or of a challenge; whichever the charge has outgrown is nothing. */
static err_t expire(struct store_tx *tx, struct sweep *w, const struct due_row *d)
{
    struct charge_expire k = {.s = w->s};
    struct charge x;
    bool there = false;
    err_t err = charge_get(tx, str_from(d->reference), &x, &there);
    if (err || !there || x.state != (d->what == DUE_CHALLENGE ? CHARGE_ACTION : CHARGE_AUTHORIZED))
        return err;
    text_copy(k.reference, sizeof k.reference, str_from(d->reference));
    return charge_expire_run(tx, &k);
}

/* Decides a charge in progress; one that waits for the customer, or for a confirm, is left alone.
 */
static err_t decide(struct store_tx *tx, struct sweep *w, struct str reference, int64_t *earliest)
{
    struct charge x;
    bool there = false, changed = false;
    err_t err = charge_get(tx, reference, &x, &there);
    if (err || !there || x.state != CHARGE_IN_PROGRESS)
        return err;
    return charge_take(tx, w->s, reference, w->now_us, &x, &changed, earliest);
}

static err_t open_dispute(struct store_tx *tx, struct sweep *w, struct str reference,
                          int64_t *earliest)
{
    struct det det = sys_det();
    struct charge x;
    bool there = false;
    err_t err = charge_get(tx, reference, &x, &there);
    if (err || !there)
        return err;
    const struct token *t = token_find(str_from(x.source));
    struct dispute_open k = {.s = w->s,
                             .stage = t->dispute_inquiry ? STAGE_INQUIRY : STAGE_CHARGEBACK,
                             .id = id_new(&det),
                             .now_us = w->now_us};
    text_copy(k.charge, sizeof k.charge, reference);
    text_copy(k.reason, sizeof k.reason, str_from(t->dispute ? t->dispute : "fraudulent"));
    err = dispute_open_run(tx, &k);
    if (!err && k.due_us && (*earliest == 0 || k.due_us < *earliest))
        *earliest = k.due_us;
    return err;
}

static err_t happen(struct store_tx *tx, struct sweep *w, const struct due_row *d,
                    int64_t *earliest)
{
    struct str reference = str_from(d->reference);
    switch (d->what) {
    case DUE_CHARGE:
        return decide(tx, w, reference, earliest);
    case DUE_CHALLENGE:
    case DUE_HOLD:
        return expire(tx, w, d);
    case DUE_REFUND:
    case DUE_REFUND_FAILS:
        return refund_due(tx, w->s, reference, d->what == DUE_REFUND_FAILS);
    case DUE_DISPUTE_OPENS:
        return open_dispute(tx, w, reference, earliest);
    case DUE_DISPUTE_ENDS:
        return dispute_due(tx, w->s, reference, w->now_us, earliest);
    }
    return OK;
}

static err_t sweep_run(struct store_tx *tx, void *arg)
{
    struct sweep *w = arg;
    struct store_row *row = NULL;
    int64_t earliest = 0;
    w->n = 0;
    w->next_us = 0;
    err_t err = store_each(tx, SQL_SANDBOX_SELECT_DUE, each_row, w, V_INT(BOOK_MERCHANT),
                           V_INT(w->now_us), V_INT(SWEEP_MAX));
    for (size_t i = 0; i < w->n && !err; i++) {
        struct due_row *d = &w->row[i];
        err = store_exec_one(tx, SQL_SANDBOX_DELETE_DUE, ERR_STATE, V_INT(BOOK_MERCHANT),
                             V_INT(d->at_us), V_INT(d->what), V_TEXT(str_from(d->reference)));
        if (!err)
            err = happen(tx, w, d, &earliest);
    }
    if (!err)
        err = store_one(tx, SQL_SANDBOX_SELECT_DUE_NEXT, &row, V_INT(BOOK_MERCHANT));
    if (!err && row)
        w->next_us = row_int(row, 0);
    return err;
}

/* --- when --- */
static void arm(struct sandbox *s, int64_t at_us, int64_t ms);

static void sweep_done(err_t err, void *arg)
{
    struct sweep *w = arg;
    struct sandbox *s = w->s;
    int64_t next_us = w->next_us;
    pthread_mutex_lock(&s->due.lock);
    bool again = s->due.again;
    s->due.sweeping = s->due.again = false;
    pthread_mutex_unlock(&s->due.lock);
    if (err) {
        LOG(LOG_ERROR, "sandbox.due", LOG_STR("error", error_def(err)->code));
        arm(s, 1, AGAIN_MS);
        return;
    }
    notify_wake(s);
    if (again)
        due_wake(s, 1);
    else
        due_wake(s, next_us);
}

static void fire(struct wait *wait, bool stopping)
{
    struct due_wait *d = (struct due_wait *)(void *)wait;
    struct sandbox *s = d->s;
    struct due *due = &s->due;
    pthread_mutex_lock(&due->lock);
    if (due->armed_us == d->at_us)
        due->armed_us = 0;
    bool go = !stopping && !due->sweeping;
    due->again |= !stopping && due->sweeping;
    due->sweeping |= go;
    pthread_mutex_unlock(&due->lock);
    mem_free(d);
    if (!go)
        return;
    due->sweep->now_us = sys_now_us();
    due->sweep->op = (struct store_op){.run = sweep_run, .done = sweep_done, .arg = due->sweep};
    if (store_submit(s->store, &due->sweep->op) == OK)
        return;
    pthread_mutex_lock(&due->lock); /* full, or closing */
    due->sweeping = due->again = false;
    pthread_mutex_unlock(&due->lock);
    arm(s, 1, AGAIN_MS);
}

static void arm(struct sandbox *s, int64_t at_us, int64_t ms)
{
    struct due_wait *d = mem_alloc(sizeof *d);
    if (!d) {
        LOG(LOG_ERROR, "sandbox.due", LOG_STR("error", "no memory"));
        return;
    }
    d->s = s;
    d->at_us = at_us;
    d->wait.fire = fire;
    pthread_mutex_lock(&s->due.lock);
    bool needed = s->due.armed_us == 0 || at_us < s->due.armed_us;
    if (needed)
        s->due.armed_us = at_us; /* the later one fires in vain */
    pthread_mutex_unlock(&s->due.lock);
    if (needed)
        timer_add(&s->timer, &d->wait, ms);
    else
        mem_free(d);
}

void due_wake(struct sandbox *s, int64_t at_us)
{
    if (at_us > 0)
        arm(s, at_us, num_max(0, (at_us - sys_now_us() + 999) / 1000));
}

/* --- start and end --- */
static err_t charges_now(struct store_tx *tx, void *arg)
{
    (void)arg;
    return store_exec(tx, SQL_SANDBOX_UPDATE_DUE_CHARGES, NULL, V_INT(BOOK_MERCHANT));
}

err_t due_start(struct sandbox *s)
{
    int failed = pthread_mutex_init(&s->due.lock, NULL);
    ASSERT(failed == 0);
    struct sweep *w = s->due.sweep = mem_alloc(sizeof *w);
    if (!w)
        return ERR_NO_MEMORY;
    w->s = s;
    err_t err = store_write(s->store, 0, charges_now, NULL);
    do {
        w->now_us = sys_now_us();
        if (!err)
            err = store_write(s->store, 0, sweep_run, w);
    } while (!err && w->n == SWEEP_MAX);
    if (!err) {
        notify_wake(s);
        due_wake(s, w->next_us);
    }
    return err;
}

void due_free(struct sandbox *s)
{
    if (!s->due.sweep)
        return;
    mem_free(s->due.sweep);
    pthread_mutex_destroy(&s->due.lock);
}
