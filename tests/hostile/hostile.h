/* A role `api` that somebody has taken over: it does what tests tell it (hostile.test.mjs). */
#ifndef FLORIN_TESTS_HOSTILE_H
#define FLORIN_TESTS_HOSTILE_H

#include <pthread.h>

#include "cli/cli_internal.h"
#include "http/http.h"
#include "link/frame.h"

#define HOSTILE_CARDS 64

struct hostile {
    const struct config *config;
    struct api_places places;
    struct http_server *server;
    struct link *control;
    int control_fd; /* the same link, for what no program of ours would send */
    int log_fd;     /* all that ever came from `card` is written there */

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t changed;
    int card_fd; /* -1: no link now */
    pthread_t reader;
    bool reading, paused;
    struct id cards[HOSTILE_CARDS];
    size_t cards_n;
    uint64_t call; /* whose answer is waited for */
    int message;   /* 0: it has not come */
    struct buf answer;
};

/* --- role.c --- */
/* Sends bytes as one frame, with n descriptors of its own. Result: errno, 0 sent. */
int hostile_send(int to, struct str frame, int n, int flags);

/* --- doors.c: what tests tell it --- */
extern const struct http_route hostile_routes[];
extern const size_t hostile_routes_n;

/* --- attacks.c --- */
/* Tries what no role may. Writes {name: "done" | "SIGSYS" | "EACCES" …}. Shape: pids of the others,
 * 0 at the end; paths: one a line. */
void attack_system(struct jw *w, const int *pids, struct str paths);

#endif
