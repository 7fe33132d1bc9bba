/* The parent of the roles; private to the room. */
#ifndef FLORIN_CLI_PARENT_H
#define FLORIN_CLI_PARENT_H

#include <sys/types.h>

#include "cli/cli_internal.h"

struct role {
    const char *command;      /* "role-api" */
    const char *fd_option[2]; /* "--private-fd", … */
    int fd[2];                /* listening sockets, kept over restarts */
    const char *flag;         /* NULL or one more argument */
    pid_t pid;
    int64_t started_us, window_us;
    int restarts;
};
struct parent {
    const struct config *config;
    struct role roles[4]; /* started in order, stopped in reverse */
    size_t roles_n;
    void (*on_ready)(struct parent *p); /* after all are ready, and again after a restart */
    void *arg;
};
/* Starts the roles and watches over them until SIGTERM or SIGINT. Result: exit status. */
int parent_run(struct parent *p);

#endif
