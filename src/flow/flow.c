/* The engine: runs steps through the store's writer and carries out their effects. */
#include "flow/flow.h"

#include "flow/flow_internal.h"
#include "observe/observe.h"

#define CLAIM_MAX 64

static void execute(struct flow_run *run);

err_t flow_start(const struct flow_config *config, struct flow_engine **ret)
{
    ASSERT(config->store && config->provider.call && config->det);
    for (size_t i = 0; i < config->defs_n; i++)
        for (size_t k = 0; k < i; k++)
            ASSERT(config->defs[i]->kind != config->defs[k]->kind);
    struct flow_engine *e = mem_alloc(sizeof *e);
    if (!e)
        return ERR_NO_MEMORY;
    e->config = *config;
    e->started_us = config->det(config->det_self).now_us;
    *ret = e;
    return OK;
}

size_t flow_active(struct flow_engine *e)
{
    return __atomic_load_n(&e->active, __ATOMIC_ACQUIRE);
}

void flow_free(struct flow_engine *e)
{
    if (!e)
        return;
    ASSERT(flow_active(e) == 0);
    mem_free(e);
}

struct flow_run *flow_new(struct flow_engine *e, const struct flow_def *def)
{
    struct flow_run *run = mem_alloc(sizeof *run);
    if (!run)
        return NULL;
    run->engine = e;
    run->def = def;
    run->domain = e->config.domain;
    run->answer.body = BUF(FLOW_BODY_MAX);
    run->attachment = BUF(FLOW_ATTACHMENT_MAX);
    return run;
}

void flow_discard(struct flow_run *run)
{
    if (!run)
        return;
    buf_free(&run->answer.body);
    buf_free(&run->attachment);
    mem_free(run);
}

static void end_run(struct flow_run *run)
{
    struct flow_engine *e = run->engine;
    flow_discard(run);
    __atomic_sub_fetch(&e->active, 1, __ATOMIC_ACQ_REL);
}

static void reply(struct flow_run *run, err_t err)
{
    void (*fn)(struct flow_run *, err_t, void *) = run->reply;
    run->reply = NULL;
    if (fn)
        fn(run, err, run->reply_arg);
}

/* Since when an outcome is unknown was noted by a clock that may have been ahead, or behind, of
 * ours: what is waited for is counted from our own start at the earliest. */
static void clamp_since(struct flow_run *run)
{
    const struct flow_engine *e = run->engine;
    int64_t last_us = run->det.now_us + e->config.lease_us; /* see on_outcome */
    if (run->unknown_since_us)
        run->unknown_since_us = num_min(num_max(run->unknown_since_us, e->started_us), last_us);
}

struct flow_place flow_place_of(const struct flow_run *run)
{
    return (struct flow_place){run->def,       run->step,       run->number, run->subject,
                               run->answer_id, run->request_id, run->job,    run->unknown_since_us,
                               run->inquired};
}

void flow_go_back(struct flow_run *run, const struct flow_place *place)
{
    run->def = place->def;
    run->step = place->step;
    run->number = place->number;
    run->subject = place->subject;
    run->answer_id = place->answer_id;
    run->request_id = place->request_id;
    run->job = place->job;
    run->unknown_since_us = place->unknown_since_us;
    run->inquired = place->inquired;
}

static err_t run_step(struct store_tx *tx, void *arg)
{
    struct flow_run *run = arg;
    run->det = run->initial.det;
    flow_go_back(run, &run->initial.place);
    clamp_since(run);
    run->told = NULL;
    run->error = (struct err_info){0};
    run->answer.status = 0;
    run->answer.event_sequence = 0;
    run->answer.replayed = run->answer.sensitive = false;
    buf_clear(&run->answer.body);
    ASSERT(run->step < run->def->steps_n);
    return run->def->steps[run->step].run(tx, run);
}

static void on_outcome(const struct outcome *o, void *arg)
{
    struct flow_run *run = arg;
    run->outcome = *o;
    run->inquired = run->call.operation == OPERATION_INQUIRE;
    /* That a provider does not know of it means nothing as long as it may yet be sent. */
    run->unknown_since_us = num_max(run->unknown_since_us, o->open_until_us);
    run->step = run->next;
    execute(run);
}

/* A step failed. What a request had begun is rolled back; a run that holds a position leaves it for
 * the janitor. */
static void failed(struct flow_run *run, err_t err)
{
    bool held = !id_is_zero(run->initial.place.job.id);
    if (held && err != ERR_LEASE_LOST)
        LOG(LOG_ERROR, "flow.step_failed", LOG_STR("flow", run->def->name),
            LOG_STR("step", run->def->steps[run->step].name),
            LOG_STR("error", error_def(err)->code), LOG_STR("detail", run->error.detail));
    if (held) {
        (void)error_set(&run->error, ERR_INTERNAL,
                        "The outcome is not known yet; it is being inquired.");
        err = ERR_INTERNAL;
    }
    if (run->error.err == OK)
        (void)error_set(&run->error, err, "%s", error_def(err)->title);
    reply(run, err);
    end_run(run);
}

static void committed(err_t err, void *arg)
{
    struct flow_run *run = arg;
    if (err) {
        failed(run, err);
        return;
    }
    struct provider_port *port = &run->engine->config.provider;
    switch (run->effect) {
    case FLOW_CALL:
        /* After the lease the janitor may ask about this call and believe that it was never made.
         */
        run->call.lease_until_us = run->job.due_us;
        run->asked_us = run->det.now_us;
        port->call(port->self, &run->call, on_outcome, run);
        return;
    case FLOW_END:
    case FLOW_PARK:
        if (run->def->ended && !run->answer.replayed)
            run->def->ended(run);
        reply(run, OK);
        end_run(run);
        return;
    }
    check_panic("flow %s: step without an effect", run->def->name);
}

/* Hands the current step to the writer. */
static void execute(struct flow_run *run)
{
    run->initial.det = run->engine->config.det(run->engine->config.det_self);
    run->initial.place = flow_place_of(run);
    run->op = (struct store_op){
        .merchant_id = run->merchant_id, .run = run_step, .done = committed, .arg = run};
    err_t err = store_submit(run->engine->config.store, &run->op);
    if (err)
        failed(run, err);
}

err_t flow_submit(struct flow_run *run)
{
    struct flow_engine *e = run->engine;
    if (__atomic_add_fetch(&e->active, 1, __ATOMIC_ACQ_REL) > e->config.active_max) {
        end_run(run);
        return ERR_UNAVAILABLE;
    }
    execute(run);
    return OK;
}

void flow_resume(struct flow_run *run)
{
    __atomic_add_fetch(&run->engine->active, 1, __ATOMIC_ACQ_REL);
    execute(run);
}

/* --- janitor --- */
struct janitor_claim {
    struct flow_engine *engine;
    struct store_op op;
    struct det det;
    size_t n;
    struct job jobs[CLAIM_MAX];
};

static err_t claim_due(struct store_tx *tx, void *arg)
{
    struct janitor_claim *c = arg;
    int64_t lease_us = c->engine->config.lease_us;
    size_t n = 0;
    err_t err = job_claim(tx, JOB_FLOW, c->det.now_us, lease_us, c->jobs, CLAIM_MAX, &c->n);
    if (!err && c->n < CLAIM_MAX)
        err =
            job_claim(tx, JOB_TIMER, c->det.now_us, lease_us, c->jobs + c->n, CLAIM_MAX - c->n, &n);
    c->n += n;
    return err;
}

static void take_up(struct flow_engine *e, const struct job *job)
{
    struct flow_run *run = flow_new(e, NULL);
    if (!run)
        return; /* its lease ends and it is found again */
    if (!position_unpack(run, job)) {
        LOG(LOG_ERROR, "janitor.position_unreadable", LOG_INT("merchant", job->merchant_id),
            LOG_INT("attempts", job->attempts));
        metric_add(METRIC_JANITOR, "result=\"unreadable\"", 1);
        flow_discard(run);
        return;
    }
    metric_add(METRIC_JANITOR, "result=\"taken\"", 1);
    flow_resume(run);
}

static void claimed(err_t err, void *arg)
{
    struct janitor_claim *c = arg;
    struct flow_engine *e = c->engine;
    if (err && err != ERR_UNAVAILABLE)
        LOG(LOG_ERROR, "janitor.claim_failed", LOG_STR("error", error_def(err)->code));
    for (size_t i = 0; !err && i < c->n; i++)
        take_up(e, &c->jobs[i]);
    mem_free(c);
    __atomic_sub_fetch(&e->active, 1, __ATOMIC_ACQ_REL);
}

void flow_tick(struct flow_engine *e)
{
    if (flow_active(e) >= e->config.active_max)
        return;
    struct janitor_claim *c = mem_alloc(sizeof *c);
    if (!c)
        return;
    c->engine = e;
    c->det = e->config.det(e->config.det_self);
    c->op = (struct store_op){.run = claim_due, .done = claimed, .arg = c};
    __atomic_add_fetch(&e->active, 1, __ATOMIC_ACQ_REL);
    if (store_submit(e->config.store, &c->op) != OK) {
        mem_free(c);
        __atomic_sub_fetch(&e->active, 1, __ATOMIC_ACQ_REL);
    }
}
