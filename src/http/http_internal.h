/* http, private: what the server's files share. The life of a request is described in README.md. */
#ifndef FLORIN_HTTP_INTERNAL_H
#define FLORIN_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include "http/http.h"

#define HTTP_TARGET_BYTES_MAX 8000u
#define HTTP_ARENA_BYTES_MAX (1024u * 1024u)
#define HTTP_LINGER_MAX 64
#define HTTP_SEGMENTS_MAX 12

/* --- router --- */
struct router_entry {
    const struct http_route *route;
    unsigned literal; /* bit per segment, the first one highest: more literal routes win */
    size_t n;
    struct str segment[HTTP_SEGMENTS_MAX]; /* absent view: a parameter */
};
struct router {
    struct router_entry *entries;
    size_t n;
};
/* Shape: routes live as long as the router. Errors: ERR_CONFIG names the pattern that is not valid.
 */
MUST_CHECK err_t router_init(struct router *r, const struct http_route *routes, size_t n,
                             struct err_info *reterr);
void router_release(struct router *r);
/* Shape: raw path; params receives up to HTTP_PARAMS_MAX raw segments; allow (64 bytes) the sorted
 * methods when the path is known. Errors: ERR_NOT_FOUND; ERR_METHOD: *ret is a route of that path
 * for another method. */
MUST_CHECK err_t router_match(const struct router *r, enum http_method method, struct str path,
                              const struct http_route **ret, struct str params[HTTP_PARAMS_MAX],
                              char allow[64]);

/* --- connections --- */
/* Who may write to the socket: in READING and IDLE the watcher may take it (EXPIRED) to send a 408;
 * the library's thread takes it back by BUSY. Every move is a compare-and-swap, so exactly one of
 * them answers. */
enum conn_phase { CONN_IDLE, CONN_READING, CONN_BUSY, CONN_EXPIRED };

struct conn {
    struct conn *prev, *next;
    struct http_server *server;
    int fd;
    atomic_int phase;
    atomic_int_least64_t since_us;      /* monotonic: when the phase began */
    atomic_int_least64_t head_since_us; /* when the watcher first saw part of a head; 0: not yet */
    atomic_bool served;                 /* at least one answer went out */
    atomic_bool linger;                 /* the peer may still be sending when it closes */
    char peer[64];
};

/* --- requests --- */
/* RUNNING: in the handler's hands. SUSPENDED: the library waits for a resume. ANSWERED: response
 * and status are set. */
enum request_state { REQUEST_RUNNING, REQUEST_SUSPENDED, REQUEST_ANSWERED };

struct request {
    struct http_request pub; /* first: http_request * is a request * */
    struct http_server *server;
    struct conn *conn;
    struct MHD_Connection *mhd;
    const struct http_route *route;
    const char *method;          /* text of this library's thread; a static string */
    struct request *prev, *next; /* list of those that were suspended; under the server's lock */
    bool listed;
    bool head_seen, dispatched;
    atomic_int refs;     /* the connection's, and the handler's until http_reply */
    atomic_flag claimed; /* first to answer wins */
    atomic_int state;
    struct MHD_Response *response;
    int status;
    int64_t mono_us;
    struct buf body;
    size_t target_n;
    char target[]; /* raw request target, NUL-terminated */
};

struct drain {
    int fd;
    int64_t until_us;
    size_t bytes;
};

struct http_server {
    struct http_server_config config;
    char name[16];
    char labels[5][40]; /* zone="…",class="1xx" … "5xx" */
    struct router router;
    struct MHD_Daemon *daemon;
    struct det det; /* the library's thread only */
    bool thread_named;
    bool exact_framing; /* the library is the version whose parser framing_read knows */
    int quiesced_fd;    /* -1: not quiesced */
    atomic_int refs;    /* the owner's, and one of each request */
    atomic_bool quiescing, stopping;
    atomic_size_t active, repliers;

    pthread_mutex_t lock; /* conns, suspended, lingers_new */
    struct conn *conns;
    struct request *suspended;
    struct drain lingers_new[HTTP_LINGER_MAX];
    size_t lingers_new_n;

    pthread_t watcher;
    int wake_fd;
    atomic_size_t lingers;
};

struct conn *conn_of(struct MHD_Connection *mhd);
void server_unref(struct http_server *s);

/* Library callbacks (http_request.c, http_watch.c). */
void conn_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
                 enum MHD_ConnectionNotificationCode code);
void *request_begin(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result request_access(void *cls, struct MHD_Connection *mhd, const char *url,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_n, void **context);
void request_completed(void *cls, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code);
void request_unref(struct request *r);
void request_refuse_stopped(struct request *r);

/* Problem document as a library response with the usual headers; `status` is the real one. */
struct MHD_Response *reply_problem_response(const struct err_info *info, int status,
                                            struct id request_id);
/* As http_reply_problem, with one more header (NULL: none). */
void reply_problem(struct request *r, const struct err_info *info, const char *name,
                   const char *value);
/* Counts and logs one answer. */
void reply_account(struct http_server *s, int status, const char *method, struct str path,
                   struct id request_id, int64_t began_mono_us);

/* Sends a whole problem answer straight to the socket, for connections that the library would only
 * close. Effects: the caller owns the socket (EXPIRED). Any thread. */
void conn_refuse(struct conn *c, err_t err);
void *watch_run(void *server);
void watch_wake(struct http_server *s);

/* --- framing --- */
struct framing {
    struct str content_type, content_encoding, content_length, transfer_encoding;
    unsigned hosts, content_lengths, transfer_encodings, content_types;
    bool exact; /* every line ended in CRLF, no folded line, no NUL, names are tokens */
};
/* Reads the head that the library parsed. Shape: views into the library's buffer. */
void framing_read(struct request *r, const char *url, const char *method, const char *version,
                  struct framing *ret);
/* Is the head allowed? Errors: ERR_BAD_REQUEST, ERR_HEADERS_TOO_LARGE, ERR_URI_TOO_LONG,
 * ERR_TOO_LARGE. */
MUST_CHECK err_t framing_check(struct request *r, const struct framing *f, bool http_1_0,
                               struct err_info *reterr);
/* Is it application/json, in UTF-8 if it says so? */
bool framing_is_json(struct str content_type);

/* --- pages --- */
/* Must be called before a daemon starts. Effects: finds the library's own function, see
 * http_pages.c. */
void pages_init(void);
enum MHD_Result pages_queue(struct MHD_Connection *mhd, unsigned status,
                            struct MHD_Response *response);

#endif
