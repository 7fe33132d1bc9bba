#ifndef FLORIN_FLOW_INTERNAL_H
#define FLORIN_FLOW_INTERNAL_H

#include "flow/flow.h"

struct flow_engine {
    struct flow_config config;
    size_t active;      /* atomic */
    int64_t started_us; /* by our clock */
};

/* Stores the run's answer, once. */
err_t flow_store_answer(struct store_tx *tx, struct flow_run *run);
/* Writes the run's position into its job's payload, and reads it back. */
void position_pack(struct flow_run *run, size_t next_step);
bool position_unpack(struct flow_run *run, const struct job *job);
struct flow_place flow_place_of(const struct flow_run *run);
void flow_go_back(struct flow_run *run, const struct flow_place *place);
/* Starts a claimed run. */
void flow_resume(struct flow_run *run);

#endif
