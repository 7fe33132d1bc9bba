/* The parent's part in the links: it makes them, hands out their ends, and has none itself but for
 * control. */
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/parent.h"
#include "observe/observe.h"

/* Who talks to whom. There is no line between api and vault. */
static const enum link_role edges[][2] = {{LINK_API, LINK_CARD}, {LINK_CARD, LINK_VAULT}};

/* Starts of a role within that time after which nobody is ended for what he sent. */
#define REFUSALS_MAX 10

/* A frame is larger than the usual buffer of a socket. */
static bool make_pair(int fd[2])
{
    static const int bytes = 4 << 20; /* the kernel gives what it allows */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0)
        return false;
    for (int i = 0; i < 2; i++)
        (void)setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    return true;
}

/* It stays the same for as long as the parent lives. */
static bool heard_vault_id(struct parent *p, struct str payload)
{
    struct link_reader r = {.rest = payload};
    struct id id = link_take_id(&r);
    char text[33];
    struct buf hex = BUF_ON(text);
    if (!link_taken(&r))
        return false;
    buf_hex(&hex, id.b, sizeof id.b);
    if (p->vault_id[0] && strcmp(p->vault_id, text) != 0) {
        LOG(LOG_ERROR, "parent.other_vault",
            LOG_STR("detail",
                    "The vault's file was changed for another one's; start Florin anew."));
        return false;
    }
    memcpy(p->vault_id, text, sizeof text);
    return true;
}

static bool meant_for(enum link_role a, enum link_role b)
{
    for (size_t i = 0; i < COUNT_OF(edges); i++)
        if ((edges[i][0] == a && edges[i][1] == b) || (edges[i][0] == b && edges[i][1] == a))
            return true;
    return false;
}

/* A role's peer sent what it may not: that one ends, and reap() starts another. Only of roles that
 * have a link; and not too often, so that no role can take the node down by complaining. */
static bool heard_refused(struct parent *p, const struct link *l, struct str payload)
{
    struct link_reader r = {.rest = payload};
    int64_t offender = link_take_int(&r), now_us = sys_mono_us();
    const struct role *by = NULL, *of = NULL;
    for (size_t i = 0; i < p->roles_n; i++) {
        by = p->roles[i].control == l ? &p->roles[i] : by;
        of = p->roles[i].id && p->roles[i].id == offender ? &p->roles[i] : of;
    }
    if (!link_taken(&r) || !by || !of || !meant_for(by->id, of->id))
        return false;
    bool spared = of->restarts >= REFUSALS_MAX && now_us - of->window_us < RESTART_WINDOW_US;
    LOG(LOG_ERROR, "parent.role_refused", LOG_STR("role", of->command), LOG_STR("by", by->command),
        LOG_STR("then", spared ? "it was started too often: left without that link" : "ended"));
    if (!spared && of->pid > 0)
        kill(of->pid, SIGKILL);
    return true;
}

/* Whom a role refuses; which vault it is, and the key that custodians have brought, kept for its
 * next start. */
static bool heard(struct link *l, const struct link_frame *f, void *arg)
{
    struct parent *p = arg;
    if (f->message == LINK_REFUSED)
        return heard_refused(p, l, f->payload);
    if (f->message == LINK_VAULT_ID)
        return heard_vault_id(p, f->payload);
    if (f->message != LINK_MASTER_KEPT || f->fd < 0)
        return false;
    if (p->master_fd >= 0)
        close(p->master_fd);
    p->master_fd = f->fd;
    return true;
}

bool control_make(struct parent *p, struct role *r, int *ret_theirs)
{
    int fd[2];
    *ret_theirs = -1;
    if (r->id == 0)
        return true;
    if (!make_pair(fd))
        return false;
    struct link_config c = {
        .fd = fd[0], .self = LINK_PARENT, .peer = r->id, .request = heard, .arg = p};
    if (link_open(&c, &r->control) != OK) {
        close(fd[1]);
        return false;
    }
    *ret_theirs = fd[1];
    return true;
}

static void tell(struct role *r, enum link_message m, struct str payload, int fd)
{
    if (!link_send(r->control, m, 0, payload, fd))
        LOG(LOG_WARN, "parent.role_not_told", LOG_STR("role", link_role_text(r->id)));
}

static void tell_peer(struct role *r, enum link_role peer, int fd)
{
    char bytes[16];
    struct buf b = BUF_ON(bytes);
    link_put_int(&b, peer);
    tell(r, LINK_PEER, buf_view(&b), fd);
}

static void join(struct role *a, struct role *b)
{
    int fd[2];
    if (!make_pair(fd)) {
        LOG(LOG_ERROR, "parent.no_link", LOG_STR("from", link_role_text(a->id)),
            LOG_STR("to", link_role_text(b->id)));
        return;
    }
    tell_peer(a, b->id, fd[0]);
    tell_peer(b, a->id, fd[1]);
    close(fd[0]);
    close(fd[1]);
}

void links_join(struct parent *p, struct role *r)
{
    if (!r->control)
        return;
    if (r->id == LINK_VAULT && p->master_fd >= 0)
        tell(r, LINK_MASTER, (struct str){NULL, 0}, p->master_fd);
    for (size_t i = 0; i < p->roles_n; i++) {
        struct role *other = &p->roles[i];
        if (other != r && other->control && other->pid > 0 && meant_for(r->id, other->id))
            join(r, other);
    }
}

/* What it said before its end is heard: it may have been the key for its next start. */
void links_part(struct role *r)
{
    if (r->control)
        (void)link_step(r->control, 100);
    link_close(r->control);
    r->control = NULL;
}

void links_turn(struct parent *p, struct role *r)
{
    (void)p;
    if (r->control && !link_step(r->control, 10))
        links_part(r); /* its end is told by SIGCHLD */
}
