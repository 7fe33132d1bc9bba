/* The roles beside the nodes: card and vault as they are, each a process of its own, joined by
 * links that are made anew when an end has died, as the parent does. All nodes reach one vault. */
#include "card/card.h"
#include "card/permit.h"
#include "crypto/crypto.h"
#include "sim/world.h"
#include "vault/serve.h"

#define CARD_TURN_US 250000

/* What the vault's process holds. */
struct strongbox {
    struct store *store;
    struct vault *vault;
    struct vault_server *server[SIM_NODES_MAX]; /* one for each card role */
    uint8_t key[VAULT_KEY];
};

/* --- permits --- */
static void permit_seed(const char *whose, uint8_t seed[32])
{
    struct det rng = sim_stream(world.options->seed, whose);
    det_fill(&rng, seed, 32);
}

/* Some have none, or one that is good for nothing. */
err_t roles_permit(struct store_tx *tx, struct merchant *m, int index, struct id account)
{
    char text[PERMIT_TEXT_MAX];
    uint8_t seed[32];
    struct det rng = sim_stream(world.options->seed, "permits");
    for (int i = 0; i < index; i++)
        (void)det_u64(&rng);
    uint64_t kind = index == 0 ? 9 : det_below(&rng, 10);
    permit_seed(kind == 0 ? "somebody's permits" : "permits' key", seed);
    m->permitted = kind > 3;
    bool good = permit_sign(seed, kind == 1 ? m->number + 1 : m->number,
                            kind == 2 ? STR("http://elsewhere.test") : STR("http://provider.test"),
                            NULL, text);
    ASSERT(good);
    return kind == 3 ? OK : account_set_permit(tx, EPOCH_US, m->number, account, str_from(text));
}

/* --- the vault --- */
static err_t unlock(struct store_tx *tx, void *arg)
{
    struct strongbox *v = arg;
    struct vault_master master;
    err_t err = vault_unlock(tx, v->key, VAULT_FROM_FILE, sys_now_us(), &master);
    return err ? err : vault_take(v->vault, v->key, &master);
}

static void bring_key(void *arg)
{
    struct proc *p = arg;
    struct strongbox *v = p->vault;
    permit_seed("vault's key", v->key);
    err_t err = store_write(v->store, 0, unlock, v);
    if (err && !p->faulted)
        sim_violation("vault", "it does not open: %s", error_def(err)->code);
    if (err)
        sim_die("the key was not taken");
    for (int i = 0; i < world.profile.nodes; i++)
        vault_server_rotate(v->server[i]);
    sim_trace("vault unlocked");
}

static void vault_turn(void *arg)
{
    struct proc *p = arg;
    int rest_ms = 1000;
    if (sim_now_us() < p->turn_at)
        return; /* planned anew meanwhile */
    for (int i = 0; i < world.profile.nodes; i++)
        rest_ms = (int)num_min(rest_ms, vault_server_turn(p->vault->server[i], sys_now_us()));
    p->turn_at = sim_now_us() + num_max(rest_ms * INT64_C(1000), 50);
    loop_at(p->turn_at, p->index, vault_turn, p, false);
}

void proc_wake(struct proc *p)
{
    const struct roles_profile *r = &world.profile.roles;
    bool slow = !world.healed && sim_chance(&world.roles_rng, r->slow_vault);
    int64_t at_us = sim_now_us() + (slow ? sim_between(&world.roles_rng, 0, 9000000)
                                         : sim_between(&world.roles_rng, 20, 2000));
    if (p->state != PROC_UP || p->turn_at <= at_us)
        return;
    p->turn_at = at_us;
    loop_at(at_us, p->index, vault_turn, p, false);
}

static void start_vault(void *arg)
{
    struct proc *p = arg;
    struct err_info info = {0};
    struct strongbox *v = mem_alloc(sizeof *v);
    struct store_config s = {.path = VAULT_FILE,
                             .migrations = "vault",
                             .batch_max = 64,
                             .readers = 1,
                             .cache_kib = 1024,
                             .queue_max = 1000,
                             .stepped = true,
                             .checkpoint_pages = world.profile.checkpoint_pages};
    err_t err = v ? store_open(&s, true, &v->store, &info) : ERR_NO_MEMORY;
    if (!err)
        err = vault_new(&v->vault);
    for (int i = 0; !err && i < world.profile.nodes; i++)
        err = vault_server_new(v->store, v->vault, &v->server[i]);
    if (err && !p->faulted)
        sim_violation("start", "vault: %s: %s", error_def(err)->code, info.detail);
    if (err)
        sim_die(info.detail[0] ? info.detail : "no memory");
    p->vault = v;
    p->state = PROC_UP;
    bool locked = !world.healed && sim_chance(&world.roles_rng, world.profile.roles.locked);
    if (locked)
        loop_at(sim_now_us() + sim_between(&world.roles_rng, 0, 20000000), p->index, bring_key, p,
                false);
    else
        bring_key(p);
    p->turn_at = 0;
    vault_turn(p);
}

static err_t begin_rotation(struct store_tx *tx, void *arg)
{
    const struct strongbox *v = arg;
    uint64_t m = det_below(&world.roles_rng, (uint64_t)world.profile.merchants);
    return vault_rotate_merchant(tx, v->vault, sys_now_us(), world.merchants[m].number);
}

/* Not while it is locked, or while one is under way. */
static void rotate_now(void *arg)
{
    struct proc *p = arg;
    err_t err = store_write(p->vault->store, 0, begin_rotation, p->vault);
    sim_trace("vault rotates: %s", err ? error_def(err)->code : "begun");
    for (int i = 0; !err && i < world.profile.nodes; i++)
        vault_server_rotate(p->vault->server[i]);
}

static err_t open_typed(struct store_tx *tx, void *arg)
{
    const struct strongbox *v = arg;
    for (size_t i = 0; i < typed_count(); i++) {
        const struct typed *t = typed_at(i);
        struct card c;
        if (id_is_zero(t->card))
            continue;
        err_t err = vault_open(tx, v->vault, sys_now_us(), world.merchants[t->merchant].number,
                               t->card, false, &c);
        if (err == ERR_NOT_FOUND)
            continue;
        if (err || strcmp(c.number, t->number) != 0)
            sim_violation("I37", "the vault gives %s for a card",
                          err ? error_def(err)->code : "another number");
    }
    return OK;
}

static void open_all(void *arg)
{
    struct proc *p = arg;
    if (store_write(p->vault->store, 0, open_typed, p->vault) != OK)
        sim_violation("I37", "the vault cannot be read");
}

/* --- card --- */
static void card_turns(void *arg)
{
    struct proc *p = arg;
    card_turn(p->card);
    if (card_alone(p->card, sys_mono_us()))
        sim_die("alone");
    loop_at(sim_now_us() + CARD_TURN_US, p->index, card_turns, p, false);
}

static void start_card(void *arg)
{
    struct proc *p = arg;
    struct err_info info = {0};
    uint8_t seed[32];
    struct card_config c = {.listen_fd = -1,
                            .url = "http://card.test",
                            .public_url = "http://florin.test",
                            .calls_max = 100,
                            .connections_max = 100,
                            .stepped = true,
                            .read_timeout_ms = 10000,
                            .idle_timeout_ms = 10000};
    permit_seed("permits' key", seed);
    crypto_sign_public(seed, c.permit_key);
    err_t err = card_start(&c, &p->card, &info);
    if (err && !p->faulted)
        sim_violation("start", "card: %s: %s", error_def(err)->code, info.detail);
    if (err)
        sim_die(info.detail[0] ? info.detail : "no memory");
    p->state = PROC_UP;
    card_turns(p);
}

void roles_start(void *arg)
{
    struct proc *p = arg;
    if (p->role == PROC_CARD)
        start_card(p);
    else
        start_vault(p);
}

/* --- links --- */
struct handing {
    struct proc *p;
    int fd, from;
    enum link_role peer;
};

static void take_end(void *arg)
{
    struct handing *h = arg;
    err_t err = h->p->role == PROC_API    ? node_link_card(h->p->node, h->fd)
                : h->p->role == PROC_CARD ? card_link(h->p->card, h->peer, h->fd)
                                          : vault_server_link(h->p->vault->server[h->from], h->fd);
    if (err && !h->p->faulted)
        sim_violation("link", "it is not taken: %s", error_def(err)->code);
    if (err)
        sim_die("no memory for a link");
}

static void hand(struct proc *p, int fd, enum link_role peer, int from)
{
    struct handing h = {p, fd, from, peer};
    if (p->state == PROC_UP && proc_run(p, take_end, &h))
        proc_plan(p);
}

static void join(struct proc *card, struct proc *other)
{
    int fd[2];
    if (card->state != PROC_UP || other->state != PROC_UP)
        return;
    links_pair(fd);
    hand(card, fd[0], other->role == PROC_API ? LINK_API : LINK_VAULT, 0);
    hand(other, fd[1], LINK_CARD, card->index - PROC_CARDS);
}

void roles_join(struct proc *p)
{
    struct proc *all = world.procs;
    if (p->role == PROC_API)
        join(&all[PROC_CARDS + p->index], p);
    else if (p->role == PROC_CARD)
        join(p, &all[p->index - PROC_CARDS]);
    if (p->role == PROC_CARD)
        join(p, &all[PROC_VAULTS]);
    for (int i = 0; p->role == PROC_VAULT && i < world.profile.nodes; i++)
        join(&all[PROC_CARDS + i], p);
}

/* --- at rest --- */
/* Everything has ended: nobody waits for an answer, nothing for a link. */
void roles_look_for_waiting(void)
{
    for (int i = 0; i < PROCS_MAX; i++) {
        struct proc *p = &world.procs[i];
        if (p->state != PROC_UP)
            continue;
        if (links_waiting(p) || (p->role == PROC_API && p->node->card.waiting))
            sim_violation("I25", "process %d still waits for an answer over a link", i);
        if (p->role == PROC_VAULT)
            (void)proc_run(p, open_all, p);
        if (p->role == PROC_CARD && !card_idle(p->card))
            sim_violation("I25", "the card role %d has something under way", i - PROC_CARDS);
    }
}

/* --- the end --- */
static void node_gone(void *arg)
{
    struct proc *p = arg;
    struct err_info info = {0};
    if (card_api_gone(p->card, &info) != OK)
        sim_die("no memory");
}

void roles_node_gone(const struct proc *node)
{
    struct proc *card = &world.procs[PROC_CARDS + node->index];
    if (card->state == PROC_UP)
        (void)proc_run(card, node_gone, card);
}

void roles_quiesce(struct proc *p)
{
    if (p->role == PROC_CARD)
        card_quiesce(p->card);
}

bool roles_idle(struct proc *p)
{
    return p->role != PROC_CARD || card_idle(p->card);
}

void roles_stop(struct proc *p)
{
    if (p->role == PROC_CARD) {
        card_stop(p->card);
        return;
    }
    struct strongbox *v = p->vault;
    for (int i = 0; i < world.profile.nodes; i++)
        vault_server_free(v->server[i]);
    vault_free(v->vault);
    store_close(v->store);
    mem_free(v);
}

/* --- what goes wrong with them --- */
struct proc *roles_instead(struct proc *node)
{
    if (!world.profile.roles.on)
        return node;
    uint64_t kind = det_below(&world.roles_rng, 3);
    return kind == 0 ? node : &world.procs[kind == 1 ? PROC_CARDS + node->index : PROC_VAULTS];
}

static int64_t after(int64_t mean_s)
{
    return sim_now_us() + sim_between(&world.roles_rng, mean_s * 200000, mean_s * 1800000);
}

static void die_now(void *arg)
{
    (void)arg;
    sim_die("killed");
}

static void kill_role(struct proc *p)
{
    if (p->state == PROC_DOWN)
        return;
    switch (det_below(&world.roles_rng, 4)) {
    case 0:
        (void)proc_run(p, die_now, NULL);
        break;
    case 1:
        p->disk_fuse = sim_between(&world.roles_rng, 1, 20); /* a card role writes none */
        p->effect_fuse = sim_between(&world.roles_rng, 1, 30);
        break;
    default: /* before and after it asks, sends, tells */
        p->effect_fuse = sim_between(&world.roles_rng, 1, 9);
    }
}

static void card_dies(void *arg)
{
    (void)arg;
    if (world.healed)
        return;
    kill_role(
        &world.procs[PROC_CARDS + (int)det_below(&world.roles_rng, (uint64_t)world.profile.nodes)]);
    sim_at(after(world.profile.roles.card_every_s), card_dies, NULL);
}

static void vault_dies(void *arg)
{
    (void)arg;
    if (world.healed)
        return;
    kill_role(&world.procs[PROC_VAULTS]);
    sim_at(after(world.profile.roles.vault_every_s), vault_dies, NULL);
}

static void rotation(void *arg)
{
    struct proc *p = &world.procs[PROC_VAULTS];
    (void)arg;
    if (world.healed)
        return;
    if (p->state == PROC_UP)
        (void)proc_run(p, rotate_now, p);
    proc_wake(p);
    sim_at(after(world.profile.roles.rotate_every_s), rotation, NULL);
}

void roles_faults_begin(void)
{
    const struct roles_profile *r = &world.profile.roles;
    if (r->on && r->card_every_s > 0)
        sim_at(after(r->card_every_s), card_dies, NULL);
    if (r->on && r->vault_every_s > 0)
        sim_at(after(r->vault_every_s), vault_dies, NULL);
    if (r->on && r->rotate_every_s > 0)
        sim_at(after(r->rotate_every_s), rotation, NULL);
}
