/* Links between roles without sockets: frames in order of virtual time. What a process has written
 * before it died is still read by its peer, as from a socket's buffer; what it had not read is
 * lost. A link with a thread is read by the loop, another when its holder calls link_step. */
#include "link/link.h"

#include "link/link_internal.h"
#include "sim/world_internal.h"

struct letter {
    struct letter *next;
    int64_t at_us; /* is there from then on */
    size_t n;
    char bytes[];
};

/* One end of a pair, in the simulator's memory; its place in the list is its "fd". */
struct end {
    struct end *other;
    struct link *link; /* in the process that holds it; NULL: nobody does */
    int number, proc, run;
    bool closed;         /* by its holder, or with it */
    bool shut;           /* nothing more is sent to it, or by it */
    int64_t there_us;    /* when the last letter to it arrives */
    struct letter *open; /* being read */
    struct letter *first, *last;
};

struct question {
    struct question *next;
    uint64_t call;
    enum link_message answer;
    void (*done)(const struct link_frame *, void *);
    void *arg;
};
struct link {
    struct link_config config;
    struct end *end;
    struct question *questions;
    uint64_t calls; /* from a number of chance: no two links have the same */
    uint64_t peer;  /* the upper half of the peer's numbers */
    bool closed, broken;
};

static struct {
    struct link_profile profile;
    struct det rng;
    struct end **list;
    size_t n, cap;
} ends;

/* --- ends --- */
static struct end *end_new(void)
{
    if (ends.n == ends.cap) {
        ends.cap = ends.cap ? 2 * ends.cap : 64;
        ends.list = mem_resize(ends.list, ends.cap * sizeof(struct end *));
        ASSERT(ends.list != NULL);
    }
    struct end *e = mem_alloc(sizeof *e);
    ASSERT(e != NULL);
    e->number = (int)ends.n;
    e->proc = -1;
    ends.list[ends.n++] = e;
    return e;
}

void links_begin(const struct link_profile *profile, const struct det *rng)
{
    ASSERT(ends.n == 0);
    ends.profile = *profile;
    ends.rng = *rng;
}

void links_heal(void)
{
    ends.profile = (struct link_profile){.delay_us = 500};
}

void links_pair(int fd[2])
{
    struct heap *before = heap_enter(NULL);
    struct end *a = end_new(), *b = end_new();
    a->other = b;
    b->other = a;
    fd[0] = a->number;
    fd[1] = b->number;
    (void)heap_enter(before);
}

static void letters_drop(struct end *e)
{
    mem_free(e->open);
    e->open = NULL;
    for (struct letter *m; (m = e->first);) {
        e->first = m->next;
        mem_free(m);
    }
    e->last = NULL;
}

void links_end(void)
{
    struct heap *before = heap_enter(NULL);
    for (size_t i = 0; i < ends.n; i++) {
        letters_drop(ends.list[i]);
        mem_free(ends.list[i]);
    }
    mem_free(ends.list);
    ends.list = NULL;
    ends.n = ends.cap = 0;
    (void)heap_enter(before);
}

static bool held(const struct end *e)
{
    return e->link && !e->closed;
}

/* Nothing will come after what is there. */
static bool finished(const struct end *e)
{
    return e->shut || e->other->shut || e->other->closed;
}

static void arrived(void *arg);

/* Wakes the holder, not before what was sent earlier. */
static int64_t later(struct end *to)
{
    int64_t us = sim_between(&ends.rng, 5, num_max(ends.profile.delay_us, 5));
    if (sim_chance(&ends.rng, ends.profile.slow))
        us = sim_between(&ends.rng, 0, 3000000);
    to->there_us = num_max(to->there_us, sim_now_us() + us);
    sim_at(to->there_us, arrived, to);
    return to->there_us;
}

static void end_close(struct end *e)
{
    if (e->closed)
        return;
    e->closed = true;
    e->link = NULL;
    letters_drop(e);
    if (!e->other->closed)
        (void)later(e->other);
}

void links_proc_gone(const struct proc *p)
{
    for (size_t i = 0; i < ends.n; i++)
        if (ends.list[i]->proc == p->index && ends.list[i]->run == p->run)
            end_close(ends.list[i]);
}

bool links_waiting(const struct proc *p)
{
    for (size_t i = 0; i < ends.n; i++)
        if (held(ends.list[i]) && ends.list[i]->proc == p->index && ends.list[i]->link->questions)
            return true;
    return false;
}

/* --- questions --- */
static struct question *recall(struct link *l, uint64_t call)
{
    struct question **at = &l->questions, *found;
    while (*at && (*at)->call != call)
        at = &(*at)->next;
    found = *at;
    if (found)
        *at = found->next;
    return found;
}

static void forget_all(struct link *l)
{
    l->closed = true;
    for (struct question *q; (q = l->questions);) {
        l->questions = q->next;
        q->done(NULL, q->arg);
        mem_free(q);
    }
}

/* --- writing --- */
/* It answers what somebody asked over the link before this one. */
static bool strays(const struct link *l, enum link_message message, uint64_t call)
{
    return call && frame_answer(message) == LINK_NONE && call >> 32 != l->peer;
}

static void post(struct end *to, enum link_message message, uint64_t call, struct str payload)
{
    struct heap *before = heap_enter(NULL);
    struct letter *m = mem_alloc(sizeof *m + FRAME_HEAD + payload.n);
    ASSERT(m != NULL);
    m->n = FRAME_HEAD + payload.n;
    frame_head((uint8_t *)m->bytes, (int)message, payload.n, call);
    if (payload.n)
        memcpy(m->bytes + FRAME_HEAD, payload.p, payload.n);
    m->at_us = later(to);
    *(to->last ? &to->last->next : &to->first) = m;
    to->last = m;
    if (to->link && to->link->config.self == LINK_API)
        typed_must_not_be_in("a frame to api", payload);
    (void)heap_enter(before);
}

/* As shutdown(2) does: what was sent before is still read, then both ends know. */
static void shut(struct end *e)
{
    e->shut = true;
    (void)later(e);
    (void)later(e->other);
}

bool link_send(struct link *l, enum link_message message, uint64_t call, struct str payload, int fd)
{
    struct end *to = l->end->other;
    ASSERT(link_allowed((int)message, l->config.self, l->config.peer, payload.n) && fd < 0);
    if (strays(l, message, call))
        return false;
    if (finished(l->end) || l->closed) {
        l->broken = true;
        return false;
    }
    bool asks = frame_answer(message) != LINK_NONE;
    if (sim_chance(&ends.rng, asks ? ends.profile.full : ends.profile.full / 8)) {
        sim_trace("link %s %s: full", link_role_text(l->config.self),
                  link_message_text((int)message));
        if (call && !asks)
            shut(l->end);
        return false;
    }
    proc_effect();
    sim_trace("link %s to %s %s %zu", link_role_text(l->config.self),
              link_role_text(l->config.peer), link_message_text((int)message), payload.n);
    post(to, message, call, payload);
    proc_effect();
    return true;
}

err_t link_ask(struct link *l, enum link_message message, struct str payload,
               void (*done)(const struct link_frame *answer, void *arg), void *arg)
{
    struct question *q = mem_alloc(sizeof *q);
    if (!q)
        return ERR_NO_MEMORY;
    *q = (struct question){.answer = frame_answer(message), .done = done, .arg = arg};
    ASSERT(q->answer != LINK_NONE);
    if (l->closed) {
        mem_free(q);
        return ERR_UNAVAILABLE;
    }
    q->call = ++l->calls;
    q->next = l->questions;
    l->questions = q;
    uint64_t call = q->call;
    if (link_send(l, message, call, payload, -1))
        return OK;
    q = recall(l, call);
    mem_free(q);
    return q ? ERR_UNAVAILABLE : OK;
}

bool link_lives(struct link *l)
{
    return !l->closed && !l->broken;
}

/* --- reading --- */
static bool handle(struct link *l, struct str bytes)
{
    struct link_frame f;
    if (!frame_read(bytes, l->config.peer, l->config.self, &f))
        return false;
    if (f.call && frame_answer(f.message) != LINK_NONE)
        l->peer = f.call >> 32;
    struct question *q = f.call && frame_answer(f.message) == LINK_NONE ? recall(l, f.call) : NULL;
    if (!q)
        return l->config.request(l, &f, l->config.arg);
    bool good = q->answer == f.message;
    q->done(good ? &f : NULL, q->arg);
    mem_free(q);
    return good;
}

/* false: there will be no more. all: also what has not arrived yet. */
static bool read_one(struct link *l, bool all, bool *ret_none)
{
    struct end *e = l->end;
    struct letter *m = e->first;
    *ret_none = !m || (!all && m->at_us > sim_now_us());
    if (*ret_none)
        return m || !finished(e) || e->there_us > sim_now_us();
    e->first = m->next;
    if (!e->first)
        e->last = NULL;
    e->open = m; /* who dies now leaves it to end_close */
    bool good = handle(l, (struct str){m->bytes, m->n});
    e->open = NULL;
    mem_free(m);
    if (!good)
        sim_violation("link", "%s refuses what %s sent", link_role_text(l->config.self),
                      link_role_text(l->config.peer));
    return good;
}

/* As the thread of the link does at its end. */
static void hang_up(struct link *l)
{
    forget_all(l);
    end_close(l->end);
    if (l->config.gone)
        l->config.gone(l, l->config.arg);
}

static void read_all(void *arg)
{
    struct end *e = arg;
    bool none = false, more = true;
    while (more && !none && e->link)
        more = read_one(e->link, false, &none);
    if (!more && e->link && !e->link->closed)
        hang_up(e->link);
}

static void arrived(void *arg)
{
    struct end *e = arg;
    struct proc *p = e->proc < 0 ? NULL : &network->procs[e->proc];
    if (!held(e) || p->state == PROC_DOWN || p->run != e->run)
        return;
    if (!e->link->config.thread)
        proc_wake(p);
    else if (!e->link->closed && proc_run(p, read_all, e))
        proc_plan(p);
}

bool link_step(struct link *l, int max)
{
    bool none = false;
    while (max-- > 0 && !none)
        if (!read_one(l, false, &none))
            return false;
    return true;
}

/* --- beginning and end --- */
err_t link_open(const struct link_config *config, struct link **ret)
{
    struct end *e = ends.list[config->fd];
    struct link *l = mem_alloc(sizeof *l);
    uint32_t chance = 0;
    e->proc = proc_current()->index;
    e->run = proc_current()->run;
    if (!l) {
        end_close(e);
        return ERR_NO_MEMORY;
    }
    sys_random(&chance, sizeof chance);
    *l = (struct link){.config = *config, .end = e, .calls = (uint64_t)chance << 32};
    e->link = l;
    if (e->first || finished(e))
        (void)later(e);
    *ret = l;
    return OK;
}

int link_fd(const struct link *l)
{
    return l->config.fd;
}

void link_close(struct link *l)
{
    bool none = false;
    if (!l)
        return;
    /* The thread reads what is in the socket, then its end. */
    while (l->config.thread && !l->closed && !none && read_one(l, true, &none))
        ;
    bool hung_up = l->closed;
    forget_all(l);
    end_close(l->end);
    if (l->config.thread && !hung_up && l->config.gone)
        l->config.gone(l, l->config.arg);
    mem_free(l);
}
