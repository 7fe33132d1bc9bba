/* What a seed draws. */
#ifndef FLORIN_SIM_WORLD_PROFILE_H
#define FLORIN_SIM_WORLD_PROFILE_H

#include "sim/world_internal.h"

/* Card and vault. */
struct roles_profile {
    bool on;
    int64_t card_every_s, vault_every_s; /* deaths; 0: never */
    int64_t rotate_every_s;              /* a merchant's key; 0: never */
    int locked;                          /* per mille of the vault's starts without its key */
    int slow_vault;                      /* per mille of its turns that take seconds */
    struct link_profile link;
};

struct world_profile {
    int nodes, merchants;
    int64_t seconds;
    int64_t crash_every_s, disk_every_s, memory_every_s, jump_every_s,
        outage_every_s; /* 0: never */
    int power;          /* per mille of crashes that take the power with them */
    int64_t down_s;     /* a process stays away for up to this long */
    int64_t jump_us;    /* clocks are off by up to this, either way */
    int64_t drift_ppm;
    int checkpoint_pages;
    int64_t snapshot_tail; /* journals */
    bool hurried;          /* short time-outs, small batches */
    bool confirm_on_return;
    int attempts_max, tolerance_bps;
    int64_t reminder_ms; /* before a dispute's deadline */
    int days;            /* so many pass after all has ended; 0: that was all */
    struct roles_profile roles;
    struct network_profile network;
    struct provider_profile provider;
    struct client_profile client;
    struct receiver_profile receiver;
};

/* Draws everything by the seed; `only` limits the faults to one kind (world_profile_known). */
void world_profile_draw(struct world_profile *p, uint64_t seed, const char *only);
/* "calm", "crashes" …, for --help; false: there is none of that name. */
bool world_profile_known(const char *name);
/* The settings of the nodes. */
void world_settings(struct config *c, const struct world_profile *p);

#endif
