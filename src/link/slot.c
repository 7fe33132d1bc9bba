/* The link to a role that may die and come back. */
#include "link/link.h"

void link_slot_init(struct link_slot *s)
{
    *s = (struct link_slot){.link = NULL};
    pthread_mutex_init(&s->lock, NULL);
}

void link_slot_put(struct link_slot *s, struct link *link)
{
    pthread_mutex_lock(&s->lock);
    struct link *old = s->link;
    s->link = link;
    pthread_mutex_unlock(&s->lock);
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

bool link_slot_send(struct link_slot *s, enum link_message message, uint64_t call,
                    struct str payload)
{
    pthread_mutex_lock(&s->lock);
    bool sent = s->link && link_send(s->link, message, call, payload, -1);
    pthread_mutex_unlock(&s->lock);
    return sent;
}

bool link_slot_there(struct link_slot *s)
{
    pthread_mutex_lock(&s->lock);
    bool there = s->link != NULL;
    pthread_mutex_unlock(&s->lock);
    return there;
}

void link_slot_release(struct link_slot *s)
{
    link_slot_put(s, NULL);
    pthread_mutex_destroy(&s->lock);
}
