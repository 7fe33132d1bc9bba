/* http: server on libmicrohttpd with suspended connections, router, client on libcurl multi. No
 * thread waits for a peer. */
#ifndef FLORIN_HTTP_H
#define FLORIN_HTTP_H

#include <sys/socket.h>
#include "base/base.h"
#include "wire/wire.h"

/* --- server --- */
enum http_method {
    HTTP_GET,
    HTTP_POST,
    HTTP_DELETE,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_HEAD,
    HTTP_OPTIONS,
    HTTP_METHOD_OTHER
};

#define HTTP_PARAMS_MAX 4

/* A whole request. Everything in it lives until http_reply. One owner at a time. */
struct http_request {
    enum http_method method; /* a HEAD arrives as HTTP_GET; the body of its answer is not sent */
    struct str path;         /* raw, begins with '/' */
    struct str query;        /* raw, without '?'; absent when none */
    struct str body;
    struct str params[HTTP_PARAMS_MAX]; /* decoded values of {…} in the route, in order */
    struct arena *arena;                /* 1 MiB cap */
    struct id request_id;
    int64_t received_us; /* wall clock */
    char peer[64];       /* numeric address */
    void *user;          /* the handler's */
    /* private from here */
    void *server_private;
};

/* First header of that name; absent view when there is none. Effects: only from the handler's own
 * call, before it returns. */
struct str http_header(struct http_request *req, const char *name);
/* How often the header occurs. */
int http_header_count(struct http_request *req, const char *name);
/* Appends all headers as "name: value" lines, names in lower case. Effects: as http_header. */
void http_headers(struct http_request *req, struct buf *out);

/* Who is to be limited: the address of the peer, or what proxies say of it in X-Forwarded-For when
 * the peer is one of them; of IPv6 the /64. proxies: addresses, comma separated. false: the address
 * is not a public one, so it stands for many or for nobody: key is not set. A proxy that is not
 * named is told of in the log, once a process. Effects: as http_header. */
bool http_visitor(struct http_request *req, const char *proxies, uint8_t ret_key[16]);
/* The same of a peer and the values of X-Forwarded-For, comma separated, the nearest proxy's last;
 * pure. */
bool http_visitor_of(struct str peer, struct str forwarded, const char *proxies,
                     uint8_t ret_key[16]);
/* For what is limited in any case: the visitor's key, in room, or the peer as it is written.
 * Effects: as http_header. */
struct str http_visitor_or_peer(struct http_request *req, const char *proxies, uint8_t room[16]);
/* Is the setting `proxies` a list of addresses? Errors: ERR_CONFIG, which names the entry. */
MUST_CHECK err_t http_proxies_check(const char *proxies, struct err_info *reterr);

struct http_answer_header {
    const char *name, *value; /* value is copied; without CR and LF */
};
struct http_answer {
    int status;
    const char *content_type; /* NULL: application/json */
    struct buf *body;         /* taken over: emptied by the call; NULL: no body */
    const struct http_answer_header *headers;
    size_t headers_n;
};
/* Answers, exactly once, from any thread. Adds Request-Id, Cache-Control: no-store,
 * X-Content-Type-Options. The request is gone after the call. */
void http_reply(struct http_request *req, struct http_answer *answer);
/* Answers with the problem document of info (Retry-After when set). */
void http_reply_problem(struct http_request *req, const struct err_info *info);

/* Runs on the listener's thread; answers now or keeps req and answers later. */
typedef void http_handler(struct http_request *req, void *ctx);

struct http_route {
    enum http_method method;
    const char *pattern; /* "/v1/payments/{id}/capture" */
    http_handler *handler;
    unsigned flags; /* the owner's, see http_request_route, but for HTTP_… below */
};
#define HTTP_ANY_TYPE 0x10000u /* the body need not be JSON */
/* Pages of every origin may call it and read its answers; without cookies, so what it does must
 * rest on the Authorization header alone. Source: the Fetch standard, CORS protocol. */
#define HTTP_CORS 0x20000u
#define HTTP_SECRET_PATH 0x40000u /* the path holds a key: the log has the pattern in its place */
/* The route that matched. */
const struct http_route *http_request_route(struct http_request *req);

struct http_server_config {
    const char *name; /* "private", "public": thread name, metric label */
    int listen_fd;    /* taken over */
    const struct http_route *routes;
    size_t routes_n;
    void *ctx;          /* passed to handlers */
    http_handler *gate; /* NULL, or called instead of the route's handler (authentication); it calls
                           the handler itself */
    size_t header_bytes_max, body_bytes_max;
    int64_t read_timeout_ms, idle_timeout_ms;
    unsigned connections_max;
    bool failures_expected; /* a simulator: 5xx answers are logged as debug */
};
struct http_server;
/* Takes listen_fd over, also when it fails. Errors: ERR_CONFIG (a route), ERR_NO_MEMORY, ERR_IO.
 * By itself it answers, as problem documents with a Request-Id: 400 for a head that is not exact
 * (RFC 9112: two lengths, folded lines, bare LF or CR, NUL, no or two Hosts, bad escapes), for a
 * body on a method that takes none; 404; 405 with Allow, also for unknown methods; 408; 413; 414;
 * 415 (a body that is not application/json in UTF-8); 431; 505. OPTIONS is 204 with Allow. Only a
 * first line without a space is closed without an answer. */
MUST_CHECK err_t http_server_start(const struct http_server_config *config,
                                   struct http_server **ret, struct err_info *reterr);
/* Stops accepting; requests that run may still be answered, and say Connection: close. */
void http_server_quiesce(struct http_server *s);
/* Requests that are whole and whose answer has not gone out yet. */
size_t http_server_active(struct http_server *s);
/* Ends it; requests that are still suspended are answered 503 first. Their handlers may still call
 * http_reply, also after this has returned: it is dropped. */
void http_server_stop(struct http_server *s);

/* --- client --- */
struct http_client;
enum http_sent {
    HTTP_ANSWERED, /* a whole answer came */
    HTTP_NOT_SENT, /* no byte of the request left: refused, unresolved, TLS failed, connect
                      time-out, address forbidden */
    HTTP_UNKNOWN,  /* sent at least in part; no whole answer */
    HTTP_LOST,     /* who was to send it cannot be asked any more: it may be on its way, and may yet
                      begin until start_before_us; not of this client */
};
/* A body without a length ends where the peer closes (RFC 9112 section 6.3), so a cut one looks
 * whole: callers must be able to tell. When a kept connection turns out to be closed, libcurl sends
 * the request once more on a fresh one: requests must be idempotent by a reference of theirs. */
struct http_result {
    enum http_sent sent;
    int status;
    struct str body; /* until the callback returns */
    struct str content_type;
    struct str retry_after; /* header, absent when none */
    int64_t latency_us;
    const char *error; /* a short text, "" when answered */
};
struct http_call {
    const char *method; /* "POST" */
    const char *url;
    const char *const *headers; /* "Name: value" lines, NULL-terminated; may be NULL */
    struct str body;
    int64_t connect_timeout_ms, timeout_ms;
    int64_t start_before_us;   /* wall clock; not begun by then is HTTP_NOT_SENT; 0: no bound */
    size_t response_bytes_max; /* more is HTTP_UNKNOWN */
    bool public_only; /* refuse private, loopback and special addresses, judged on the address
                         connected to */
    void (*done)(struct http_call *call,
                 const struct http_result *result); /* on the client's thread; must not block */
    void *arg;
    struct http_call *next; /* private */
    void *client_private;   /* private */
};
/* One event loop on a thread of its own: connection reuse, no redirects, no proxies, at most
 * calls_max at once (more wait). */
MUST_CHECK err_t http_client_start(const char *name, unsigned calls_max, struct http_client **ret,
                                   struct err_info *reterr);
/* Queues a call; all memory it names must live until done. Any thread. The time-outs count from
 * when it begins, not from here. */
void http_client_call(struct http_client *c, struct http_call *call);
/* Runs fn(arg) on the client's thread: for work that must stay on it (a Lua state). */
void http_client_post(struct http_client *c, void (*fn)(void *), void *arg);
/* Ends what runs as HTTP_UNKNOWN or HTTP_NOT_SENT, then the thread. Not from a callback; nobody may
 * call or post any more once it has returned. */
void http_client_stop(struct http_client *c);

/* Is this address outside all private, loopback, link-local, shared, documentation, multicast and
 * translated ranges? IPv4-mapped and 6to4/NAT64 forms are judged by range. Source: IANA
 * special-purpose registries. */
bool http_address_public(const struct sockaddr *addr);

#endif
