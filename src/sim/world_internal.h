/* The simulated machines and what makes them run: for loop.c, machine.c, network.c and world*.c. */
#ifndef FLORIN_SIM_WORLD_INTERNAL_H
#define FLORIN_SIM_WORLD_INTERNAL_H

#include <setjmp.h>

#include "node/node.h"
#include "sim/sim_internal.h"

/* --- loop.c --- */
/* As sim_at, for a process: dropped when that run of it is over. arg is freed by the loop when
 * `owned`, after fn or in its place. */
void loop_at(int64_t at_us, int proc, void (*fn)(void *arg), void *arg, bool owned);
/* Runs what is due until that time. */
void loop_until(int64_t until_us);
void loop_begin(int64_t now_us);
/* So much time passes at once; what was due in it happens late. */
void loop_leap(int64_t us);
/* Drops what is left. */
void loop_end(void);
int64_t loop_steps(void);
uint64_t loop_hash(void);
int64_t loop_count(enum sim_count what);
int64_t loop_violations(void);
/* First violation since loop_begin, "" none. */
const char *loop_first_violation(void);
/* What is printed: the trace, violations as they come; from step `from` to the end. */
void loop_verbose(bool trace, bool violations);
/* Ends loop_until after this many steps (0: never). */
void loop_stop_at(int64_t step);
bool loop_stopped(void);

/* --- machine.c: processes --- */
enum proc_state { PROC_DOWN, PROC_STARTING, PROC_UP };
/* Nodes, one role `card` beside each, and one vault that all of them reach. */
enum proc_role { PROC_API, PROC_CARD, PROC_VAULT };
#define PROC_CARDS SIM_NODES_MAX /* index of the first node's card role */
#define PROC_VAULTS (2 * SIM_NODES_MAX)
#define PROCS_MAX (2 * SIM_NODES_MAX + 1)
struct exchange;
struct server;
struct card_role;
struct strongbox;
struct proc {
    int index;
    enum proc_role role;
    struct proc *machine; /* whose clocks it has */
    enum proc_state state;
    int run;               /* counts its starts: events of an earlier one are dropped */
    struct heap *heap;     /* while it runs */
    struct node *node;     /* in it; NULL until started */
    struct card_role *card;
    struct strongbox *vault;
    int64_t turn_at; /* when the vault's next turn is planned; 0: not */
    struct server *server; /* the private listener */
    struct server *public_server;
    struct exchange *open;          /* requests that arrived and have no answer yet */
    int64_t clock_us;               /* its wall clock minus true time */
    int64_t drift_ppm;              /* how fast its clocks run */
    int64_t drift_since_us;         /* true time from which on they drift */
    struct steady steady;           /* the process's own clock */
    struct det random;              /* the kernel's */
    int64_t disk_fuse, effect_fuse; /* dies at so many more writes, effects; 0: not */
    bool faulted;        /* a fault of disk or memory was injected in this run: it may give up */
    bool store_awake;    /* a step of the store is on the way */
    int64_t webhooks_at; /* when its worker's next round is planned; 0: not */
    char last_words[200];
    jmp_buf exit;
};

/* Once, before libsodium is used. */
void machine_install(void);
/* The one that runs now; NULL: none, the simulator itself. */
struct proc *proc_current(void);
/* Runs fn(arg) as that process; false: it died on the way and is gone. */
bool proc_run(struct proc *p, void (*fn)(void *arg), void *arg);
/* Its monotonic clock, its wall clock, and the one made of both. NULL: true time. */
int64_t proc_mono_us(const struct proc *p);
int64_t proc_wall_us(const struct proc *p);
int64_t proc_now_us(struct proc *p);
/* A place where a crash may hit: an effect on the world outside. */
void proc_effect(void);
/* Asks for the store's and the worker's turns; after everything that a process did. */
void proc_plan(struct proc *p);
/* The process is gone: memory, handles, open requests. */
void proc_gone(struct proc *p);
/* Something came over a link of a process that polls: its turn is soon. */
void proc_wake(struct proc *p);

/* --- link.c --- */
struct link_profile {
    int slow;         /* per mille of frames that take up to three seconds */
    int full;         /* per mille of requests for which there is no room */
    int64_t delay_us; /* the others take up to this long */
};
void links_begin(const struct link_profile *profile, const struct det *rng);
/* Faults off. */
void links_heal(void);
/* Two ends, to be given to link_open as fd, each in its process. */
void links_pair(int fd[2]);
/* Its ends are closed, what it had not read is lost. */
void links_proc_gone(const struct proc *p);
/* Has it asked something that has no answer yet? */
bool links_waiting(const struct proc *p);
void links_end(void);


/* --- network.c --- */
struct network_profile {
    int refuse;        /* per mille of connections to the provider that are refused */
    int lose_request;  /* per mille of requests to the provider that never arrive */
    int lose_answer;   /* per mille of its answers that never arrive */
    int twice;         /* per mille of requests to it that arrive twice */
    int slow;          /* per mille of its answers that take long, past the time-out too */
    int queue;         /* per mille of calls that wait long in the node before they begin */
    int cut;           /* per mille of answers to clients that are cut off */
    int64_t commit_us; /* a store's step takes up to this long */
};
/* What is reachable; owned by the world. */
struct network {
    struct network_profile profile;
    struct det rng;
    bool outage; /* the provider refuses all connections */
    struct proc *procs;
    int procs_n; /* nodes; the roles beside them lie behind */
    struct provider *provider;
    struct receivers *receivers;
    /* NULL, or told of each answer that leaves a process: to an ask, or to a visit with a tag */
    void (*on_answer)(int64_t tag, int status);
};
extern struct network *network;
/* Requests in the process are lost: their clients see the connection close. */
void network_proc_gone(struct proc *p);

/* --- world.c --- */
/* The disk all processes share. */
struct disk *world_disk(void);
struct world_options {
    uint64_t seed;
    int64_t seconds;     /* of faults; 0: drawn */
    const char *profile; /* NULL: drawn by the seed */
    const char *connectors;
    bool trace;
    int checkpoint_pages; /* 0: drawn */
    bool scripted;        /* no clients and receivers of its own */
    bool by_return;       /* and payments are confirmed when customers come back */
    int64_t until;        /* steps; 0: to the end */
};
struct world_result {
    int64_t seconds, steps, violations, looks;
    int64_t count[COUNT_COUNT];
    uint64_t hash;
    char first[300]; /* violation */
};
void world_run(const struct world_options *o, struct world_result *ret);
/* Records a run of that seed and judges up to so many states that a loss of power in it could
 * leave; ret->looks says how many. */
void world_power(const struct world_options *o, int64_t states, struct world_result *ret);
/* Runs every shares-th sweep, from the share-th on; ret->looks is the number of cases. */
void world_sweeps(const struct world_options *o, int share, int shares, struct world_result *ret);
/* Permille draw. */
bool sim_chance(struct det *rng, int per_mille);
/* Between from and to, both included. */
int64_t sim_between(struct det *rng, int64_t from, int64_t to);
/* A generator of its own, by name, so that one part's draws do not shift another's. */
struct det sim_stream(uint64_t seed, const char *name);

#endif
