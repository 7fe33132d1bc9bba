/* Between the files of the webhooks' sender. */
#ifndef FLORIN_SANDBOX_NOTIFY_INTERNAL_H
#define FLORIN_SANDBOX_NOTIFY_INTERNAL_H

#include <stdatomic.h>
#include "sandbox/sandbox_internal.h"

#define NOTIFY_TRIES 6
#define ANSWER_KEPT 200 /* bytes of column answer */
#define SUBJECT_MAX 65
#define TYPE_MAX 41

/* Column notification.state. */
enum note_state { NOTE_WAITING = 1, NOTE_HELD, NOTE_ACCEPTED, NOTE_GIVEN_UP, NOTE_LOST };

/* One attempt; from the thread to the client and back. */
struct sending {
    struct sending *next;        /* among the finished */
    struct sending *flying_next; /* among those under way */
    struct notify *n;
    int64_t seq, attempts;
    char charge[REFERENCE_MAX + 1], secret[SECRET_HEX];
    enum manner manner;
    struct buf url, body;
    char signature[128];
    const char *lines[4];
    struct http_call call;
    bool answered;
    int status;
    int64_t sent_ms;
    struct buf answer;
};
struct notify {
    struct sandbox *s;
    struct http_client *client;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool running, stopping, woken;
    atomic_bool used;         /* something was put in this run: wakes mean something */
    struct sending *finished; /* under the lock */
    struct wait *firsts;      /* under the lock */
    struct sending *flying;   /* the thread's own */
    size_t flying_n;
};
/* A row to be: what notify_put adds a number, a time and a due time to. */
struct note {
    struct id event;
    struct str charge, subject, type, url, secret, body;
    enum manner manner;
    enum note_state state;
    int64_t delay_ms;
};
/* Inserts it. Errors: as store_exec. */
err_t notify_put(struct store_tx *tx, const struct note *note);
/* Columns of list_notifications_charge and _subject. */
enum {
    NOTE_SEQ,
    NOTE_EVENT_ID,
    NOTE_CHARGE,
    NOTE_SUBJECT,
    NOTE_TYPE,
    NOTE_MANNER,
    NOTE_STATE,
    NOTE_CREATED,
    NOTE_DUE,
    NOTE_ATTEMPTS,
    NOTE_SENT,
    NOTE_STATUS,
    NOTE_ANSWER,
    NOTE_URL,
    NOTE_BODY
};
const char *note_state_name(int64_t state);
const char *manner_name(int64_t manner);
/* Frees what is not with the client. */
void sending_free(struct sending *x);
/* Signs and posts it. */
void sending_begin(struct sending *x);
/* The thread. */
void *notify_run(void *notify);

#endif
