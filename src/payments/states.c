#include "payments/states.h"

#define TEXT_X(n, number, text, event, meaning) [number] = {text, meaning, event},
#define STEP_X(n, text) text,

static const struct machine_state payment_states[] = {{"none", "does not exist yet", 0},
                                                      PAYMENT_STATES(TEXT_X)};
static const char *const payment_steps[] = {PAYMENT_STEPS(STEP_X)};
#define PAYMENT_EDGE_X(from, step, to) {PAYMENT_##from, PAYMENT_DO_##step, PAYMENT_##to},
static const struct machine_edge payment_edges[] = {PAYMENT_EDGES(PAYMENT_EDGE_X)};

static const struct machine_state attempt_states[] = {{"none", "does not exist yet", 0},
                                                      ATTEMPT_STATES(TEXT_X)};
static const char *const attempt_steps[] = {ATTEMPT_STEPS(STEP_X)};
#define ATTEMPT_EDGE_X(from, step, to) {ATTEMPT_##from, ATTEMPT_DO_##step, ATTEMPT_##to},
static const struct machine_edge attempt_edges[] = {ATTEMPT_EDGES(ATTEMPT_EDGE_X)};

static const struct machine_state operation_states[] = {{"none", "does not exist yet", 0},
                                                        OPERATION_STATES(TEXT_X)};
static const char *const operation_steps[] = {OPERATION_STEPS(STEP_X)};
#define OPERATION_EDGE_X(from, step, to) {OPERATIONS_##from, OPERATIONS_DO_##step, OPERATIONS_##to},
static const struct machine_edge operation_edges[] = {OPERATION_EDGES(OPERATION_EDGE_X)};

static const struct machine_state refund_states[] = {{"none", "does not exist yet", 0},
                                                     REFUND_STATES(TEXT_X)};
static const char *const refund_steps[] = {REFUND_STEPS(STEP_X)};
#define REFUND_EDGE_X(from, step, to) {REFUND_##from, REFUND_DO_##step, REFUND_##to},
static const struct machine_edge refund_edges[] = {REFUND_EDGES(REFUND_EDGE_X)};

static const struct machine_state dispute_states[] = {{"none", "does not exist yet", 0},
                                                      DISPUTE_STATES(TEXT_X)};
static const char *const dispute_steps[] = {DISPUTE_STEPS(STEP_X)};
#define DISPUTE_EDGE_X(from, step, to) {DISPUTE_##from, DISPUTE_DO_##step, DISPUTE_##to},
static const struct machine_edge dispute_edges[] = {DISPUTE_EDGES(DISPUTE_EDGE_X)};

#define MACHINE(p)                                                                                 \
    const struct machine p##_machine = {.name = #p,                                                \
                                        .states = p##_states,                                      \
                                        .states_n = (int)COUNT_OF(p##_states),                     \
                                        .steps = p##_steps,                                        \
                                        .steps_n = (int)COUNT_OF(p##_steps),                       \
                                        .edges = p##_edges,                                        \
                                        .edges_n = COUNT_OF(p##_edges)}
MACHINE(payment);
MACHINE(attempt);
MACHINE(operation);
MACHINE(refund);
MACHINE(dispute);

int machine_next(const struct machine *m, int state, int step)
{
    ASSERT(state >= 0 && state < m->states_n && step >= 0 && step < m->steps_n);
    for (size_t i = 0; i < m->edges_n; i++)
        if (m->edges[i].from == state && m->edges[i].step == step)
            return m->edges[i].to;
    return 0;
}

const char *machine_text(const struct machine *m, int state)
{
    ASSERT(state >= 0 && state < m->states_n);
    return m->states[state].text;
}

int machine_find(const struct machine *m, struct str text)
{
    for (int i = 1; i < m->states_n; i++)
        if (str_eq(text, str_from(m->states[i].text)))
            return i;
    return 0;
}

static void describe(struct buf *out, const struct machine *m)
{
    buf_printf(out, "\n## %s\n\n| state | meaning | event |\n|---|---|---|\n", m->name);
    for (int i = 1; i < m->states_n; i++) {
        const char *event = event_type_text(m->states[i].event);
        buf_printf(out, "| `%s` | %s | %s%s%s |\n", m->states[i].text, m->states[i].meaning,
                   event ? "`" : "", event ? event : "", event ? "`" : "");
    }
    buf_str(out, "\n| from | when | to |\n|---|---|---|\n");
    for (size_t i = 0; i < m->edges_n; i++)
        buf_printf(out, "| %s | `%s` | %s |\n", m->states[m->edges[i].from].text,
                   m->steps[m->edges[i].step], m->states[m->edges[i].to].text);
}

void machines_describe(struct buf *out)
{
    buf_str(out, "# States\n\nMade by `florin docs states` from `src/payments/states.h`. Every "
                 "pair of state and step that is not in a\n"
                 "table is refused; a test tries all of them.\n");
    describe(out, &payment_machine);
    describe(out, &attempt_machine);
    describe(out, &operation_machine);
    describe(out, &refund_machine);
    describe(out, &dispute_machine);
}
