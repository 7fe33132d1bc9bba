/* link: typed messages between the roles of one node, over socket pairs (docs/adr/0017). One table
 * says what there is and who may send it to whom; what is not in it, too long, or not a whole
 * message costs the sender its link. */
#ifndef FLORIN_LINK_H
#define FLORIN_LINK_H

#include <pthread.h>

#include "base/base.h"

enum link_role {
    LINK_PARENT = 1,
    LINK_API,
    LINK_CARD,
    LINK_VAULT,
    LINK_OPERATOR /* a command beside the running node */
};
/* "card". */
const char *link_role_text(enum link_role role);

#define LINK_PAYLOAD_MAX ((size_t)160 << 10)
#define LINK_SMALL 512
#define LINK_CARD_MAX 4096

/* X(NAME, number, from, to, most bytes of payload, answer: its name, or NONE). Numbers are of one
 * build: both ends are the same program. There is no message that asks for a card number and is not
 * the card role's, and none between api and vault. */
#define LINK_MESSAGES(X)                                                                           \
    X(PEER, 1, PARENT, ANY, LINK_SMALL, NONE) /* carries the end of a new link: int role */        \
    X(MASTER, 2, PARENT, VAULT, 0, NONE)      /* carries keys' memory: struct vault_keys */        \
    X(MASTER_KEPT, 3, VAULT, PARENT, 0, NONE) /* the same back: for the vault's next start */      \
    X(GONE, 4, PARENT, CARD, LINK_SMALL, GONE_NOTED) /* api has died: see card_api_gone */         \
    X(GONE_NOTED, 5, CARD, PARENT, LINK_SMALL, NONE)                                               \
    X(VAULT_ID, 6, VAULT, PARENT, LINK_SMALL, NONE) /* id: which vault it is, at its start */      \
    X(CLIENT_CHECK, 10, CARD, API, LINK_SMALL, CLIENT_IS)                                          \
    X(CLIENT_IS, 11, API, CARD, LINK_SMALL, NONE)                                                  \
    X(CARD_SAVED, 12, CARD, API, LINK_CARD_MAX, METHOD_IS)                                         \
    X(METHOD_IS, 13, API, CARD, LINK_PAYLOAD_MAX, NONE)                                            \
    X(PAGE_REPORT, 14, CARD, API, 16384, PAGE_REPORTED)                                            \
    X(PAGE_REPORTED, 15, API, CARD, LINK_SMALL, NONE)                                              \
    X(EGRESS, 20, API, CARD, LINK_PAYLOAD_MAX, EGRESS_IS)                                          \
    X(EGRESS_IS, 21, CARD, API, LINK_PAYLOAD_MAX, NONE)                                            \
    X(FORGET, 22, API, CARD, LINK_SMALL, FORGOTTEN)                                                \
    X(FORGOTTEN, 23, CARD, API, LINK_SMALL, NONE)                                                  \
    X(KEEP, 24, API, CARD, LINK_SMALL, KEPT)                                                       \
    X(KEPT, 25, CARD, API, LINK_SMALL, NONE)                                                       \
    X(EXPIRY, 26, API, CARD, LINK_SMALL, EXPIRY_IS)                                                \
    X(EXPIRY_IS, 27, CARD, API, LINK_SMALL, NONE)                                                  \
    X(VAULT_SEAL, 30, CARD, VAULT, LINK_SMALL, VAULT_SEALED)                                       \
    X(VAULT_SEALED, 31, VAULT, CARD, LINK_SMALL, NONE)                                             \
    X(VAULT_OPEN, 32, CARD, VAULT, LINK_SMALL, VAULT_OPENED)                                       \
    X(VAULT_OPENED, 33, VAULT, CARD, LINK_SMALL, NONE)                                             \
    X(VAULT_USED, 34, CARD, VAULT, LINK_SMALL, NONE)                                               \
    X(VAULT_FORGET, 35, CARD, VAULT, LINK_SMALL, VAULT_DONE)                                       \
    X(VAULT_KEEP, 36, CARD, VAULT, LINK_SMALL, VAULT_DONE)                                         \
    X(VAULT_EXPIRY, 37, CARD, VAULT, LINK_SMALL, VAULT_DONE)                                       \
    X(VAULT_DONE, 38, VAULT, CARD, LINK_SMALL, NONE)                                               \
    X(ADMIN, 50, OPERATOR, VAULT, LINK_PAYLOAD_MAX, ADMIN_IS) /* payloads: VAULT_COMMANDS */       \
    X(ADMIN_IS, 51, VAULT, OPERATOR, LINK_PAYLOAD_MAX, NONE)
enum link_message {
    LINK_NONE = 0,
#define X(name, number, from, to, max, answer) LINK_##name = number,
    LINK_MESSAGES(X)
#undef X
};
/* "egress"; NULL for a number that is none. */
const char *link_message_text(int message);
/* May `from` send it to `to`, with that many bytes? */
bool link_allowed(int message, enum link_role from, enum link_role to, size_t bytes);

/* --- payloads --- */
/* Appends; what does not fit sets out->failed. */
void link_put_int(struct buf *out, int64_t v); /* 8 bytes */
void link_put_bytes(struct buf *out, const void *p,
                    size_t n); /* length and bytes; up to 2^32 - 1 */
/* The same of a text, and of an id. */
static inline void link_put_str(struct buf *out, struct str s)
{
    link_put_bytes(out, s.p, s.n);
}
static inline void link_put_id(struct buf *out, struct id id)
{
    link_put_bytes(out, id.b, sizeof id.b);
}
struct link_reader {
    struct str rest;
    bool failed; /* sticks; what is read afterwards is zero and empty */
};
/* The next field, a number. */
int64_t link_take_int(struct link_reader *r);
/* A view into the payload, of at most max bytes. */
struct str link_take_str(struct link_reader *r, size_t max);
/* The next field, an id; of another length: failed. */
struct id link_take_id(struct link_reader *r);
/* Copies a text of less than max bytes without NUL. */
void link_take_text(struct link_reader *r, char *out, size_t max);
/* Was all of it there, and nothing more? */
MUST_CHECK bool link_taken(const struct link_reader *r);

/* --- links --- */
struct link;
struct link_frame {
    enum link_message message;
    uint64_t call;      /* which the answer repeats */
    struct str payload; /* until the handler returns; wiped then */
    int fd;             /* that came with PEER, MASTER, MASTER_KEPT, else -1; the handler owns it */
};
struct link_config {
    int fd; /* taken over: AF_UNIX, SOCK_SEQPACKET */
    enum link_role self, peer;
    const char *thread; /* reads on a thread of that name; NULL: in link_step */
    /* A request or a message without an answer, whole and allowed. Answer it now or later. false:
     * its payload is none: the link ends. On the link's thread, or in link_step. */
    bool (*request)(struct link *l, const struct link_frame *f, void *arg);
    void (*gone)(struct link *l, void *arg); /* the peer is: close it, not from here; may be NULL */
    void *arg;
    int64_t patience_us; /* how long answers may take; 0: as long as each message needs */
};
/* Shape: config is copied. Errors: ERR_NO_MEMORY; fd is closed then. */
MUST_CHECK err_t link_open(const struct link_config *config, struct link **ret);
/* Sends a request. done(answer, arg) comes once, on the link's thread or in link_step or
 * link_close; answer NULL: the peer is gone, or a link with a thread has waited too long; nobody
 * knows what it did. Waits up to 100 ms for room.
 * Errors: ERR_UNAVAILABLE: nothing was sent and done will not come; ERR_NO_MEMORY likewise. Any
 * thread. */
MUST_CHECK err_t link_ask(struct link *l, enum link_message message, struct str payload,
                          void (*done)(const struct link_frame *answer, void *arg), void *arg);
/* Sends an answer, or a message that has none (call 0). fd -1, or one to go with it, which stays
 * the caller's. false: the peer is gone, or has no room, or did not ask: it has come back, and the
 * question was its predecessor's. An answer waits up to 2 s for room; a peer that has none loses
 * the link, since it would wait for that answer for ever. */
bool link_send(struct link *l, enum link_message message, uint64_t call, struct str payload,
               int fd);
/* Reads what has come, at most max frames; false: the peer is gone. Shape: a link without a thread.
 */
bool link_step(struct link *l, int max);
int link_fd(const struct link *l);
/* Is the peer there, as far as is known? */
bool link_lives(struct link *l);
/* Did it end because the peer sent what it may not? */
bool link_refused(struct link *l);
/* Ends it and frees it; open requests are done with NULL. Not from its own thread. */
void link_close(struct link *l);

/* --- the link to a role that may die and come back --- */
struct link_wait;
struct link_slot {
    pthread_mutex_t lock;
    struct link *link;         /* NULL: none now */
    struct link_wait *waiting; /* for one, in order */
};
/* Shape: there is none at first. */
void link_slot_init(struct link_slot *s);
/* Puts another in its place (NULL: none) and closes the one before. Not from a thread of either. */
void link_slot_put(struct link_slot *s, struct link *link);
/* As link_ask and link_send on what is there. Errors also: ERR_UNAVAILABLE: none is. Any thread. */
MUST_CHECK err_t link_slot_ask(struct link_slot *s, enum link_message message, struct str payload,
                               void (*done)(const struct link_frame *answer, void *arg), void *arg);
/* The same for what may wait: when there is no link it is sent over the next one, if that comes
 * until until_us (sys_mono_us). What was never sent is done with &link_never_sent. Errors:
 * ERR_NO_MEMORY, ERR_UNAVAILABLE: the link there is takes no more; nothing was sent and done will
 * not come. */
MUST_CHECK err_t link_slot_ask_patiently(struct link_slot *s, enum link_message message,
                                         struct str payload, int64_t until_us,
                                         void (*done)(const struct link_frame *answer, void *arg),
                                         void *arg);
extern const struct link_frame link_never_sent;
/* Gives up what has waited until now_us. Call it again and again. */
void link_slot_tick(struct link_slot *s, int64_t now_us);
bool link_slot_send(struct link_slot *s, enum link_message message, uint64_t call,
                    struct str payload);
/* Is none there, or one that has ended, and not by what the peer sent? */
bool link_slot_lost(struct link_slot *s);
/* Ends the link; what waits is given up. */
void link_slot_release(struct link_slot *s);

#endif
