/* The link to a role that may die and come back. */
#include <stdint.h>

#include "link/link.h"

const struct link_frame link_never_sent = {.message = LINK_NONE, .fd = -1};

/* A request that waits for a link. */
struct link_wait {
    struct link_wait *next;
    enum link_message message;
    int64_t until_us;
    void (*done)(const struct link_frame *answer, void *arg);
    void *arg;
    size_t n;
    char payload[];
};

void link_slot_init(struct link_slot *s)
{
    *s = (struct link_slot){.link = NULL};
    pthread_mutex_init(&s->lock, NULL);
}

static void give_up(struct link_wait *all)
{
    for (struct link_wait *w; (w = all);) {
        all = w->next;
        w->done(&link_never_sent, w->arg);
        mem_wipe(w->payload, w->n);
        mem_free(w);
    }
}

static void send_waiting(struct link_slot *s)
{
    struct link_wait *refused = NULL;
    pthread_mutex_lock(&s->lock);
    for (struct link_wait *w; s->link && (w = s->waiting);) {
        s->waiting = w->next;
        err_t err = link_ask(s->link, w->message, (struct str){w->payload, w->n}, w->done, w->arg);
        if (err) {
            w->next = refused;
            refused = w;
            continue;
        }
        mem_wipe(w->payload, w->n);
        mem_free(w);
    }
    pthread_mutex_unlock(&s->lock);
    give_up(refused);
}

void link_slot_put(struct link_slot *s, struct link *link)
{
    pthread_mutex_lock(&s->lock);
    struct link *old = s->link;
    s->link = link;
    s->told = false;
    pthread_mutex_unlock(&s->lock);
    send_waiting(s);
    link_close(old); /* outside the lock: what it ends may ask again */
}

err_t link_slot_ask(struct link_slot *s, enum link_message message, struct str payload,
                    void (*done)(const struct link_frame *answer, void *arg), void *arg)
{
    pthread_mutex_lock(&s->lock);
    err_t err = s->link ? link_ask(s->link, message, payload, done, arg) : ERR_UNAVAILABLE;
    pthread_mutex_unlock(&s->lock);
    return err;
}

static bool wait_for_link(struct link_slot *s, struct link_wait *w)
{
    pthread_mutex_lock(&s->lock);
    bool absent = !s->link || !link_lives(s->link);
    if (absent) {
        struct link_wait **at = &s->waiting;
        while (*at)
            at = &(*at)->next;
        *at = w;
    }
    pthread_mutex_unlock(&s->lock);
    return absent;
}

err_t link_slot_ask_patiently(struct link_slot *s, enum link_message message, struct str payload,
                              int64_t until_us,
                              void (*done)(const struct link_frame *answer, void *arg), void *arg)
{
    err_t err = link_slot_ask(s, message, payload, done, arg);
    if (err != ERR_UNAVAILABLE)
        return err;
    struct link_wait *w = mem_alloc(sizeof *w + payload.n);
    if (!w)
        return ERR_NO_MEMORY;
    *w = (struct link_wait){
        .message = message, .until_us = until_us, .done = done, .arg = arg, .n = payload.n};
    if (payload.n)
        memcpy(w->payload, payload.p, payload.n);
    if (wait_for_link(s, w))
        return OK;
    mem_wipe(w->payload, w->n);
    mem_free(w);
    return link_slot_ask(s, message, payload, done, arg);
}

void link_slot_tick(struct link_slot *s, int64_t now_us)
{
    struct link_wait *late = NULL, **last = &late;
    pthread_mutex_lock(&s->lock);
    for (struct link_wait **at = &s->waiting; *at;) {
        struct link_wait *w = *at;
        if (w->until_us > now_us) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = NULL;
        *last = w;
        last = &w->next;
    }
    pthread_mutex_unlock(&s->lock);
    give_up(late);
}

bool link_slot_send(struct link_slot *s, enum link_message message, uint64_t call,
                    struct str payload)
{
    pthread_mutex_lock(&s->lock);
    bool sent = s->link && link_send(s->link, message, call, payload, -1);
    pthread_mutex_unlock(&s->lock);
    return sent;
}

bool link_slot_lost(struct link_slot *s)
{
    pthread_mutex_lock(&s->lock);
    bool lost = !s->link || (!link_lives(s->link) && !link_refused(s->link));
    pthread_mutex_unlock(&s->lock);
    return lost;
}

bool link_slot_refused(struct link_slot *s)
{
    pthread_mutex_lock(&s->lock);
    bool refused = s->link && !s->told && link_refused(s->link);
    s->told = s->told || refused;
    pthread_mutex_unlock(&s->lock);
    return refused;
}

void link_slot_release(struct link_slot *s)
{
    link_slot_put(s, NULL);
    link_slot_tick(s, INT64_MAX);
    pthread_mutex_destroy(&s->lock);
}
