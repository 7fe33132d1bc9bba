/* The card role as a process. */
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "card/card.h"
#include "cli/cli_internal.h"
#include "observe/observe.h"
#include "sys/confine.h"

static const char *const writes[] = {NULL};

static bool api_gone(struct link *l, struct card_role *c, uint64_t call)
{
    struct err_info info = {0};
    err_t err = card_api_gone(c, &info);
    if (err)
        LOG(LOG_ERROR, "card.api_gone", LOG_STR("detail", info.detail));
    return !err && link_send(l, LINK_GONE_NOTED, call, STR(""), -1);
}

/* The parent's words come on the link's thread. */
static bool heard(struct link *l, const struct link_frame *f, void *arg)
{
    struct card_role *c = *(struct card_role **)arg;
    struct link_reader r = {.rest = f->payload};
    int64_t peer = link_take_int(&r);
    if (f->message == LINK_GONE)
        return peer == LINK_API && link_taken(&r) && api_gone(l, c, f->call);
    if (f->message != LINK_PEER || f->fd < 0 || !link_taken(&r) ||
        (peer != LINK_API && peer != LINK_VAULT))
        return false;
    return card_link(c, (enum link_role)peer, f->fd) == OK;
}

static err_t start(struct card_role **ret, const struct config *c, int listen_fd,
                   struct err_info *info)
{
    struct addrinfo *warm = NULL;
    static char url[300], public_url[300];
    config_url(c->card_url, c->card, url, sizeof url);
    config_url(c->public_url, c->public, public_url, sizeof public_url);
    struct card_config config = {.listen_fd = listen_fd,
                                 .url = url,
                                 .public_url = public_url,
                                 .public_only = !c->provider_allow_private,
                                 .per_second = c->card_requests_per_second,
                                 .attempts_per_minute = c->card_attempts_per_minute,
                                 .proxies = c->proxies,
                                 .calls_max = (unsigned)c->provider_calls_max,
                                 .connections_max = (unsigned)c->http_connections_max,
                                 .read_timeout_ms = c->http_read_timeout_ms,
                                 .idle_timeout_ms = c->http_idle_timeout_ms};
    err_t err = permit_public(c, config.permit_key, info);
    if (err)
        return err;
    /* The resolver's libraries are there before files are out of reach. */
    if (getaddrinfo("localhost", "80", NULL, &warm) == 0)
        freeaddrinfo(warm);
    err = role_confine(c, "card", c->card_user, role_reads, writes, CONFINE_NET, info);
    return err ? err : card_start(&config, ret, info);
}

static void stop(struct card_role *c)
{
    card_quiesce(c);
    for (int64_t end = sys_mono_us() + 20000000; !card_idle(c) && sys_mono_us() < end;)
        sys_pause_us(2000);
    card_stop(c);
    LOG(LOG_INFO, "card.stopped", LOG_STR("version", FLORIN_VERSION));
}

int role_card(int argc, char **argv)
{
    struct option own[] = {
        {"card-fd", true, NULL}, {"control-fd", true, NULL}, {"ready-fd", true, NULL}};
    static struct role_start r;
    static struct card_role *card;
    struct link *control = NULL;
    struct err_info info = {0};
    int got = 0;
    sigset_t signals;
    if (!role_begin(&r, own, COUNT_OF(own), argc, argv) || r.control_fd < 0 || role_fd(&own[0]) < 0)
        return EXIT_USAGE;
    role_signals(&signals);
    err_t err = start(&card, &r.options.config, role_fd(&own[0]), &info);
    struct link_config config = {.fd = r.control_fd,
                                 .self = LINK_CARD,
                                 .peer = LINK_PARENT,
                                 .thread = "control",
                                 .request = heard,
                                 .arg = &card};
    if (!err)
        err = link_open(&config, &control);
    if (err) {
        LOG(LOG_ERROR, "card.start_failed", LOG_STR("detail", info.detail));
        return fail(&info);
    }
    LOG(LOG_INFO, "card.ready", LOG_STR("version", FLORIN_VERSION),
        LOG_STR("card", r.options.config.card));
    role_ready(r.ready_fd);
    const struct timespec second = {.tv_sec = 1};
    while ((got = sigtimedwait(&signals, NULL, &second)) < 0 || got == SIGHUP)
        if (got < 0 && card_alone(card, sys_mono_us())) {
            LOG(LOG_ERROR, "card.alone", LOG_STR("version", FLORIN_VERSION));
            return EXIT_FAILED; /* comes back with new links */
        }
    link_close(control); /* nobody joins any more */
    stop(card);
    return EXIT_DONE;
}
