/* The parent of the roles; private to the room. */
#ifndef FLORIN_CLI_PARENT_H
#define FLORIN_CLI_PARENT_H

#include <sys/types.h>

#include "cli/cli_internal.h"
#include "link/link.h"

#define ROLES_MAX 5
#define RESTART_WINDOW_US INT64_C(60000000) /* within it restarts are counted */

struct role {
    enum link_role id;        /* 0: one that no other talks to */
    const char *command;      /* "role-api" */
    const char *fd_option[3]; /* "--private-fd", … */
    int fd[3];                /* listening sockets, kept over restarts */
    pid_t pid;
    int64_t started_us, window_us;
    int64_t due_us; /* dead: when it is started again; 0: not dead */
    int restarts, pauses;
    struct link *control; /* NULL: it does not run, or talks to nobody */
};
struct parent {
    const struct config *config;
    struct role roles[ROLES_MAX]; /* started in order, stopped in reverse */
    size_t roles_n;
    char vault_id[33];                  /* which vault it is, hex; "": not known yet */
    int master_fd;                      /* the vault's key, -1 none: given to it at each start */
    void (*on_ready)(struct parent *p); /* after all are ready, and again after a restart */
    void *arg;
};
/* Starts the roles and watches over them until SIGTERM or SIGINT. Result: exit status. */
int parent_run(struct parent *p);
/* Runs a role once, to its end. Result: did it end well? */
bool parent_once(const struct config *config, const char *command);

/* --- parent_links.c --- */
/* Makes the socket pair over which a role is told what comes; *ret_theirs goes to it. */
MUST_CHECK bool control_make(struct parent *p, struct role *r, int *ret_theirs);
/* Joins a role that has just begun with those it talks to, and gives the vault its key. */
void links_join(struct parent *p, struct role *r);
/* It is gone. */
void links_part(struct role *r);
/* To be polled; reads what a role says. */
void links_turn(struct parent *p, struct role *r);

#endif
