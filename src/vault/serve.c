/* What `card` asks of the vault. */
#include "vault/serve.h"

#include <stdio.h>

#include "observe/observe.h"
#include "sys/sys.h"

#define BATCH 64
#define OPENED_MAX 256
#define AUDIT_EVERY_US 100000
#define SWEEP_EVERY_US 10000000
#define ROTATE_ROWS 64
#define REST_MS 1000

/* One request, from its frame to its answer. */
struct work {
    struct store_op op;
    struct vault_server *s;
    uint64_t call;
    enum link_message message;
    struct det det;
    int64_t merchant_id, keep_until_us;
    struct id id;
    struct card card;
    bool with_cvc, locked; /* locked: a key is missing */
    char reference[ID_TEXT_MAX], host[128];
    struct vault_sealed sealed;
};
struct opened_card {
    int64_t merchant_id, at_us;
    struct id card;
    char detail[ID_TEXT_MAX + 130];
};
struct vault_server {
    struct store *store;
    struct vault *vault;
    struct link *link;
    bool refused; /* the one before ended by what `card` sent */
    int64_t now_us, audited_us, swept_us;
    size_t taken; /* of work */
    struct secret memory;
    struct work *work; /* BATCH of them, in it */
    struct opened_card opened[OPENED_MAX];
    size_t opened_n;
    bool rotating, more;
};

/* --- answers --- */
static void answer(struct work *w, err_t err)
{
    char bytes[LINK_SMALL + 1];
    struct buf out = BUF_ON(bytes);
    enum link_message m = w->message == LINK_VAULT_SEAL   ? LINK_VAULT_SEALED
                          : w->message == LINK_VAULT_OPEN ? LINK_VAULT_OPENED
                                                          : LINK_VAULT_DONE;
    link_put_int(&out, err);
    if (m == LINK_VAULT_SEALED) {
        link_put_id(&out, w->sealed.card);
        link_put_bytes(&out, w->sealed.fingerprint, FINGERPRINT);
    } else if (m == LINK_VAULT_OPENED) {
        link_put_str(&out, str_from(err ? "" : w->card.number));
        link_put_int(&out, err ? 0 : w->card.month);
        link_put_int(&out, err ? 0 : w->card.year);
        link_put_str(&out, str_from(err ? "" : w->card.cvc));
    }
    ASSERT(!out.failed);
    if (w->s->link)
        (void)link_send(w->s->link, m, w->call, buf_view(&out), -1);
    mem_wipe(bytes, sizeof bytes);
}

/* A card went out: told to the audit with the next that do, or soon. */
static void note_opened(struct work *w)
{
    struct vault_server *s = w->s;
    struct opened_card *o = &s->opened[s->opened_n++];
    *o = (struct opened_card){.merchant_id = w->merchant_id, .at_us = s->now_us, .card = w->id};
    (void)snprintf(o->detail, sizeof o->detail, "%s %s", w->reference, w->host);
}

static void done(err_t err, void *arg)
{
    struct work *w = arg;
    if (w->locked)
        err = ERR_UNAVAILABLE;
    if (err == ERR_CRYPTO)
        LOG(LOG_ERROR, "vault.not_opened", LOG_INT("merchant", w->merchant_id),
            LOG_STR("reference", w->reference));
    if (!err && w->message == LINK_VAULT_OPEN)
        note_opened(w);
    answer(w, err);
}

/* --- work --- */
static err_t do_work(struct store_tx *tx, struct work *w)
{
    struct vault *v = w->s->vault;
    struct det det = w->det; /* the same again when it is repeated */
    switch (w->message) {
    case LINK_VAULT_SEAL:
        return vault_seal(tx, v, &det, w->merchant_id, &w->card, w->keep_until_us, &w->sealed);
    case LINK_VAULT_OPEN:
        return vault_open(tx, v, det.now_us, w->merchant_id, w->id, w->with_cvc, &w->card);
    case LINK_VAULT_FORGET:
        return vault_forget(tx, v, det.now_us, w->merchant_id, w->id);
    case LINK_VAULT_KEEP:
        return vault_keep(tx, det.now_us, w->merchant_id, w->id);
    case LINK_VAULT_EXPIRY:
        return vault_expiry(tx, v, det.now_us, w->merchant_id, w->id, w->card.month, w->card.year);
    default:
        return ERR_STATE;
    }
}

/* To the store ERR_UNAVAILABLE means that its database is away, for which it waits: not for a key,
 * and not while custodians knock. */
static err_t not_waiting(err_t err)
{
    return err == ERR_UNAVAILABLE ? ERR_STATE : err;
}

static err_t run(struct store_tx *tx, void *arg)
{
    struct work *w = arg;
    err_t err = do_work(tx, w);
    w->locked = err == ERR_UNAVAILABLE;
    return not_waiting(err);
}

/* `card` has judged it a moment ago: a month or a year may have ended since. */
static bool was_good(const struct card *c, int64_t now_us)
{
    struct err_info info = {0};
    return card_check(c, now_us, &info) == OK || card_check(c, now_us - DAY_US, &info) == OK;
}

static bool take_seal(struct link_reader *r, struct work *w)
{
    w->merchant_id = link_take_int(r);
    w->keep_until_us = link_take_int(r);
    link_take_text(r, w->card.number, sizeof w->card.number);
    w->card.month = (int)link_take_int(r);
    w->card.year = (int)link_take_int(r);
    link_take_text(r, w->card.cvc, sizeof w->card.cvc);
    return !r->failed && was_good(&w->card, w->det.now_us);
}

static bool take_open(struct link_reader *r, struct work *w)
{
    w->merchant_id = link_take_int(r);
    w->id = link_take_id(r);
    link_take_text(r, w->reference, sizeof w->reference);
    link_take_text(r, w->host, sizeof w->host);
    w->with_cvc = link_take_int(r) != 0;
    return !r->failed;
}

static bool take_other(struct link_reader *r, struct work *w)
{
    w->merchant_id = link_take_int(r);
    w->id = link_take_id(r);
    if (w->message != LINK_VAULT_EXPIRY)
        return !r->failed;
    w->card.month = (int)link_take_int(r);
    w->card.year = (int)link_take_int(r);
    return !r->failed && w->card.month >= 1 && w->card.month <= 12 && w->card.year >= 2000 &&
           w->card.year <= 9999;
}

/* What is none ends the link: `card` checks before it asks. */
static bool request(struct link *l, const struct link_frame *f, void *arg)
{
    struct vault_server *s = arg;
    struct link_reader r = {.rest = f->payload};
    struct work *w = &s->work[s->taken];
    (void)l;
    ASSERT(s->taken < BATCH);
    *w = (struct work){.s = s, .call = f->call, .message = f->message, .det = sys_det()};
    bool good = f->message == LINK_VAULT_SEAL   ? take_seal(&r, w)
                : f->message == LINK_VAULT_OPEN ? take_open(&r, w)
                                                : take_other(&r, w);
    if (!good || !link_taken(&r) || w->merchant_id <= 0)
        return false;
    if (f->message == LINK_VAULT_USED) {
        vault_used(s->vault, w->merchant_id, w->id);
        return true;
    }
    w->op = (struct store_op){.run = run, .done = done, .arg = w};
    s->taken++;
    return true;
}

static void finish_store(struct vault_server *s)
{
    while (!store_idle(s->store))
        (void)store_step(s->store);
}

/* Cards go out without a write; everything else is durable before it is answered. */
static void do_batch(struct vault_server *s)
{
    for (size_t i = 0; i < s->taken; i++) {
        struct work *w = &s->work[i];
        err_t err = w->message == LINK_VAULT_OPEN ? store_submit_read(s->store, &w->op)
                                                  : store_submit(s->store, &w->op);
        if (err)
            answer(w, ERR_UNAVAILABLE);
    }
    finish_store(s);
    mem_wipe(s->work, s->taken * sizeof *s->work);
    s->taken = 0;
}

/* --- besides --- */
static err_t write_audit(struct store_tx *tx, void *arg)
{
    struct vault_server *s = arg;
    err_t err = OK;
    for (size_t i = 0; !err && i < s->opened_n; i++) {
        const struct opened_card *o = &s->opened[i];
        err = vault_audit(tx, o->at_us, VAULT_OPENED, o->merchant_id, o->card, o->detail);
    }
    return err;
}

static void audit(struct vault_server *s)
{
    s->audited_us = s->now_us;
    if (s->opened_n == 0)
        return;
    if (store_write(s->store, 0, write_audit, s) != OK)
        check_panic("vault: the audit cannot be written"); /* nothing goes out unrecorded */
    s->opened_n = 0;
}

static err_t sweep(struct store_tx *tx, void *arg)
{
    struct vault_server *s = arg;
    int n;
    err_t err = vault_sweep(tx, s->vault, s->now_us, 200, &n);
    s->more = n == 200;
    return err;
}

static err_t rotate(struct store_tx *tx, void *arg)
{
    struct vault_server *s = arg;
    return not_waiting(vault_rotate_step(tx, s->vault, s->now_us, ROTATE_ROWS, &s->rotating));
}

static void look_after(struct vault_server *s)
{
    if (s->opened_n >= OPENED_MAX - BATCH || s->now_us - s->audited_us >= AUDIT_EVERY_US)
        audit(s);
    if (s->more || s->now_us - s->swept_us >= SWEEP_EVERY_US) {
        s->swept_us = s->now_us;
        s->more = false;
        if (store_write(s->store, 0, sweep, s) != OK)
            LOG(LOG_WARN, "vault.not_swept", LOG_INT("cards", 0));
    }
    if (s->rotating && store_write(s->store, 0, rotate, s) != OK) {
        LOG(LOG_WARN, "vault.not_rotated", LOG_INT("rows", 0));
        s->rotating = false; /* a key is missing: begun again when one is brought */
    }
}

int vault_server_turn(struct vault_server *s, int64_t now_us)
{
    s->now_us = now_us;
    if (s->link && !link_step(s->link, BATCH)) {
        do_batch(s); /* what was asked before the end is done, whoever hears of it */
        s->refused = link_refused(s->link);
        link_close(s->link);
        s->link = NULL;
    }
    bool busy = s->taken > 0;
    do_batch(s);
    look_after(s);
    return busy || s->rotating || s->more ? 0
           : s->opened_n > 0              ? (int)(AUDIT_EVERY_US / 1000)
                                          : REST_MS;
}

/* --- beginning and end --- */
err_t vault_server_new(struct store *store, struct vault *vault, struct vault_server **ret)
{
    struct vault_server *s = mem_alloc(sizeof *s);
    err_t err = s ? secret_make(BATCH * sizeof *s->work, &s->memory) : ERR_NO_MEMORY;
    if (err) {
        mem_free(s);
        return err;
    }
    s->store = store;
    s->vault = vault;
    s->work = (struct work *)(void *)s->memory.p;
    s->rotating = true;
    *ret = s;
    return OK;
}

void vault_server_free(struct vault_server *s)
{
    if (!s)
        return;
    audit(s);
    link_close(s->link);
    secret_free(&s->memory);
    mem_free(s);
}

err_t vault_server_link(struct vault_server *s, int fd)
{
    link_close(s->link);
    s->link = NULL;
    if (fd < 0)
        return OK;
    struct link_config c = {
        .fd = fd, .self = LINK_VAULT, .peer = LINK_CARD, .request = request, .arg = s};
    return link_open(&c, &s->link);
}

int vault_server_fd(const struct vault_server *s)
{
    return s->link ? link_fd(s->link) : -1;
}

bool vault_server_refused(struct vault_server *s)
{
    bool refused = s->refused;
    s->refused = false;
    return refused;
}

void vault_server_rotate(struct vault_server *s)
{
    s->rotating = true;
}
