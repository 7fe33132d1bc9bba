/* One seed's world: for the world_*.c files. */
#ifndef FLORIN_SIM_WORLD_H
#define FLORIN_SIM_WORLD_H

#include "sim/world_profile.h"

#define EPOCH_US INT64_C(1767225600000000) /* 2026-01-01 */
#ifdef STUB
#define STORE_FILE "/florin.db"
#else
#define STORE_FILE "/florin.db"
#endif
#define VAULT_FILE "/vault.db"
#define MERCHANTS_MAX 4
#define DEATHS_MAX 2000
/* After the faults: so long until nothing happens at the provider by itself any more, and until
 * everything must have ended. */
#define CALMING_S 60
#define HEALING_S 400 /* a webhook that waited long is tried every five minutes */

struct world {
    const struct world_options *options;
    struct world_profile profile;
    struct det rng, roles_rng;
    struct config settings;
    uint8_t master[32];
    struct disk *disk;
    struct network network;
    struct proc procs[PROCS_MAX]; /* by index: nodes, their card roles, the vault */
    struct merchant merchants[MERCHANTS_MAX];
    struct clients *clients;
    struct judge *judge;
    bool prepared, healed, power, disk_faulty, ending;
    int64_t faults_until_us, skew_us;
    int64_t deaths[DEATHS_MAX]; /* of card roles and the vault */
    size_t deaths_n;
    void (*on_start)(struct proc *p, void *arg); /* NULL, or called before a process begins */
    void *on_start_arg;
};
extern struct world world;

/* Makes it by its profile and starts everything. */
void world_open(const struct world_options *o);
void world_close(void);
/* Nothing goes wrong any more; time for everything to end passes. */
void world_heal(void);
/* Lets the judges look. */
void world_look(enum judge_moment moment);
/* Before each write to the disk: a process may die there. */
void world_on_write(void *arg, enum disk_call call);
void world_faults_begin(void);
/* From now on nothing goes wrong any more. */
void world_faults_end(void);

/* --- world_roles.c --- */
/* Signs where a merchant's cards may go, or not. */
err_t roles_permit(struct store_tx *tx, struct merchant *m, int index, struct id account);
/* In a process that is a card role or the vault. */
void roles_start(void *proc);
void roles_quiesce(struct proc *p);
bool roles_idle(struct proc *p);
void roles_stop(struct proc *p);
/* A node has died: its card role ends with it, as the parent sees to. */
void roles_end_card(const struct proc *node);
/* Makes the links between it and those that run. */
void roles_join(struct proc *p);
/* The node, its card role or the vault: for a fault that each may have. */
struct proc *roles_instead(struct proc *node);
/* A violation if anything still waits. */
void roles_look_for_waiting(void);
void roles_faults_begin(void);

#endif
