/* sandbox: an acquirer to practise with, as an HTTP program of its own: it keeps a book, refuses by
 * token, and fails on purpose in the ways real ones do. Its API is docs/sandbox.md. */
#ifndef FLORIN_SANDBOX_H
#define FLORIN_SANDBOX_H

#include "base/base.h"

struct sandbox;

struct sandbox_config {
    const char *data_dir; /* exists; the book is data_dir/sandbox.db */
    int listen_fd;        /* taken over, also when the start fails */
    int64_t slow_ms;      /* how long pm_tok_slow takes */
    int64_t hang_ms;      /* how long a connection is held that gets no answer in time */
    const char *address;  /* host:port of listen_fd, for links when a request names no host */
    bool webhooks;        /* send them for charges that name a notify_url */
    int64_t challenge_ms; /* how long a challenge waits for its answer */
    int64_t dispute_ms;   /* from the capture to the dispute that a token asks for */
};

/* Opens the book, takes the slow charges a former run left in progress, and serves.
 * Shape: config need not outlive the call; *ret is ended by sandbox_stop. Errors: ERR_STORE,
 * ERR_NO_MEMORY, ERR_IO, with the sentence in reterr. Effects: threads of its own; one process per
 * data_dir (the caller holds the lock). */
MUST_CHECK err_t sandbox_start(const struct sandbox_config *config, struct sandbox **ret,
                               struct err_info *reterr);
/* Answers 503 to whoever still waits, finishes what was begun, closes the book. */
void sandbox_stop(struct sandbox *s);

#endif
