/* The acquirer's webhooks, which are late, lost, doubled, out of order, forged; and customers who
 * come back from their bank to the shop, or not. */
#include <sodium.h>
#include <stdio.h>

#include "sim/provider_internal.h"

#define TRIES_MAX 6
#define PATIENCE_US (10 * SECOND_US)
#define CLOCKS_AGREE_US (200 * SECOND_US)
#define SLOTS_FIRST 512

struct sent {
    struct notice n;
    struct provider *p;
    struct buf body;
    char path[160];
    int again; /* so often more, though it was acknowledged */
    bool days; /* kept back for days */
    bool fair; /* nothing of the node it came to speaks against it */
    bool under_way;
};

/* --- by id --- */
static struct sent **slot_of(const struct provider *p, struct str id)
{
    for (uint64_t i = book_hash(id);; i++) {
        struct sent **slot = &p->slots[i & (p->slots_n - 1)];
        if (!*slot || str_eq(str_from((*slot)->n.id), id))
            return slot;
    }
}

static void more_slots(struct provider *p)
{
    p->slots_n = p->slots_n ? 2 * p->slots_n : SLOTS_FIRST;
    mem_free(p->slots);
    p->slots = mem_alloc(p->slots_n * sizeof(struct sent *));
    ASSERT(p->slots != NULL);
    for (size_t i = 0; i < p->notices_n; i++)
        *slot_of(p, str_from(p->notices[i]->n.id)) = p->notices[i];
}

static struct sent *notice_new(struct provider *p, const char *type, const char *key,
                               const char *path)
{
    struct sent *s = mem_alloc(sizeof *s);
    ASSERT(s != NULL);
    if (p->notices_n == p->notices_cap) {
        p->notices_cap = p->notices_cap ? 2 * p->notices_cap : 256;
        p->notices = mem_resize(p->notices, p->notices_cap * sizeof(struct sent *));
        ASSERT(p->notices != NULL);
    }
    if (2 * (p->notices_n + 1) > p->slots_n)
        more_slots(p);
    *s = (struct sent){.p = p, .body = BUF(16384)};
    (void)snprintf(s->n.id, sizeof s->n.id, "ev_%026zu", p->notices_n);
    (void)snprintf(s->n.type, sizeof s->n.type, "%s", type);
    s->n.number = p->notices_n;
    copy_name(s->n.key, sizeof s->n.key, str_from(key));
    copy_name(s->path, sizeof s->path, str_from(path));
    p->notices[p->notices_n++] = s;
    *slot_of(p, str_from(s->n.id)) = s;
    return s;
}

void notices_release(struct provider *p)
{
    for (size_t i = 0; i < p->notices_n; i++) {
        buf_free(&p->notices[i]->body);
        mem_free(p->notices[i]);
    }
    mem_free(p->notices);
    mem_free(p->slots);
}

size_t provider_notices(const struct provider *p)
{
    return p->notices_n;
}

const struct notice *provider_notice(const struct provider *p, size_t i)
{
    ASSERT(i < p->notices_n);
    return &p->notices[i]->n;
}

const struct notice *provider_notice_find(const struct provider *p, struct str id)
{
    const struct sent *s = p->slots_n ? *slot_of(p, id) : NULL;
    return s ? &s->n : NULL;
}

/* --- signing --- */
static void hex(char *out, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void mac_of(const struct sent *s, const char *time, char out[65])
{
    crypto_auth_hmacsha256_state state;
    uint8_t digest[32];
    char text[128], secret[65];
    const char *odd = s->n.way == NOTICE_FORGED    ? "nobody's"
                      : s->n.way == NOTICE_CROSSED ? "/another's"
                                                   : "";
    (void)snprintf(text, sizeof text, "sandbox webhook:%s%s", s->n.key, odd);
    crypto_hash_sha256(digest, (const uint8_t *)text, strlen(text));
    hex(secret, digest, sizeof digest);
    crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret, strlen(secret));
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)time, strlen(time));
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)".", 1);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)s->body.p, s->body.n);
    crypto_auth_hmacsha256_final(&state, digest);
    hex(out, digest, sizeof digest);
}

/* By the acquirer's clock, which is right; that of the node may be hours off, and does not heal. */
static void sign(struct buf *headers, int64_t clock_us, bool faulted, void *arg)
{
    struct sent *s = arg;
    int64_t now_us = sim_now_us();
    char time[24], mac[65];
    s->fair = s->p->healed || (!faulted && clock_us - now_us < CLOCKS_AGREE_US &&
                               now_us - clock_us < CLOCKS_AGREE_US);
    if (s->n.way == NOTICE_STALE)
        now_us =
            clock_us - 310 * SECOND_US - (int64_t)(book_hash(str_from(s->n.id)) % 3600) * SECOND_US;
    else if (s->p->healed)
        now_us = clock_us;
    (void)snprintf(time, sizeof time, "%lld", (long long)(now_us / SECOND_US));
    mac_of(s, time, mac);
    buf_printf(headers, "Content-Type: application/json\nSandbox-Signature: t=%s,v1=%s\n", time,
               mac);
}

/* --- sending --- */
static void send_later(struct sent *s, int64_t wait_us)
{
    due_add(&s->p->book, sim_now_us() + wait_us, DUE_NOTICE, s, 0);
}

static void again(struct sent *s)
{
    int64_t wait_us = SECOND_US << num_min(s->n.tries - 1, s->n.must ? 4 : 10);
    if (s->p->healed)
        wait_us = num_min(wait_us, 4 * SECOND_US);
    if (s->n.way != NOTICE_GENUINE || (s->n.tries >= TRIES_MAX && !s->n.must))
        s->n.given_up = true;
    else
        send_later(s, wait_us);
}

static void answered(const struct reply *r, void *arg)
{
    struct heap *before = heap_enter(NULL);
    struct sent *s = arg;
    bool good = r->status >= 200 && r->status <= 299;
    s->under_way = false;
    sim_trace("webhook %s %s way %d -> %d", s->n.id, s->n.type, s->n.way, r->status);
    if (good && s->n.acked++ == 0)
        s->n.acked_us = sim_now_us();
    if (r->status >= 400 && r->status <= 499 && s->fair)
        s->n.refused++;
    if (!good && s->n.acked == 0)
        again(s);
    else if (s->again-- > 0)
        send_later(s, provider_up_to(s->p, 5 * SECOND_US));
    (void)heap_enter(before);
}

void notice_due(struct book *b, void *sent)
{
    struct sent *s = sent;
    (void)b;
    if (s->under_way || (s->n.acked > 0 && s->again < 0))
        return;
    s->under_way = true;
    if (s->n.tries++ == 0)
        s->n.sent_us = sim_now_us();
    struct visit v = {.method = "POST",
                      .path = str_from(s->path),
                      .body = buf_view(&s->body),
                      .sign = sign,
                      .done = answered,
                      .arg = s,
                      .patience_us = PATIENCE_US,
                      .tag = TAG_NOTICE + (int64_t)s->n.number};
    network_visit(&v);
}

/* When it goes out, and how often. */
static void dispatch(struct sent *s)
{
    struct provider *p = s->p;
    const struct provider_profile *f = &p->profile;
    bool lost = provider_chance(p, f->notice_lost), days = provider_chance(p, f->notice_days),
         late = provider_chance(p, f->notice_late);
    if (provider_chance(p, f->notice_twice))
        s->again = 1;
    if (days && !s->n.must)
        s->days = true;
    else if (lost && !s->n.must)
        s->n.given_up = true;
    else
        send_later(s, late || lost || days    ? provider_up_to(p, 90 * SECOND_US)
                      : provider_one_of(p, 2) ? 0
                                              : provider_up_to(p, 2 * SECOND_US));
}

void notices_heal(struct provider *p)
{
    (void)p; /* what is to be sent is on its way */
}

void provider_days_later(struct provider *p)
{
    struct heap *before = heap_enter(NULL);
    for (size_t i = 0; i < p->notices_n; i++)
        if (p->notices[i]->days) {
            p->notices[i]->days = false;
            send_later(p->notices[i], provider_up_to(p, 5 * SECOND_US));
        }
    (void)heap_enter(before);
}

/* --- what they say --- */
static struct jw begin(struct sent *s)
{
    struct jw w = {.b = &s->body};
    jw_object(&w, NULL);
    jw_str(&w, "id", str_from(s->n.id));
    jw_str(&w, "type", str_from(s->n.type));
    jw_int(&w, "created", sim_now_us() / 1000);
    return w;
}

static void end(struct sent *s, struct jw *w)
{
    jw_object_end(w);
    ASSERT(!s->body.failed);
    dispatch(s);
}

/* The same once more under a name of its own, in a way that must be refused. */
static void forge(const struct sent *like)
{
    struct provider *p = like->p;
    struct sent *s = notice_new(p, like->n.type, like->n.key, like->path);
    s->n.way = NOTICE_FORGED + (enum notice_way)provider_one_of(p, 4);
    buf_add(&s->body, like->body.p, like->body.n);
    char *id = memmem(s->body.p, s->body.n, like->n.id, strlen(like->n.id));
    ASSERT(id != NULL);
    memcpy(id, s->n.id, strlen(s->n.id));
    if (s->n.way == NOTICE_MALFORMED)
        s->body.n = s->body.n / 2 + provider_one_of(p, s->body.n / 2);
    send_later(s, provider_up_to(p, 20 * SECOND_US));
}

/* About a charge that somebody else made with this account. */
static void foreign(const struct sent *like)
{
    struct provider *p = like->p;
    struct sent *s = notice_new(p, "charge.captured", like->n.key, like->path);
    struct jw w = begin(s);
    char reference[40];
    (void)snprintf(reference, sizeof reference, "order-%zu", p->notices_n);
    jw_object(&w, "object");
    jw_str(&w, "object", STR("charge"));
    jw_str(&w, "result", STR("approved"));
    jw_str(&w, "state", STR("captured"));
    jw_str(&w, "reference", str_from(reference));
    jw_int(&w, "amount", 100);
    jw_str(&w, "currency", STR("EUR"));
    jw_object_end(&w);
    end(s, &w);
}

static void finish(struct sent *s, struct jw *w)
{
    end(s, w);
    if (provider_chance(s->p, s->p->profile.forge))
        forge(s);
    if (provider_chance(s->p, s->p->profile.foreign))
        foreign(s);
}

void notify_operation(struct book *b, const char *type, struct operation *o)
{
    static const char *const objects[] = {
        [BOOK_CHARGE] = "charge", [BOOK_CAPTURE] = "capture",     [BOOK_VOID] = "void",
        [BOOK_REFUND] = "refund", [BOOK_INCREMENT] = "increment", [BOOK_EVIDENCE] = "evidence"};
    if (!o->notify[0])
        return;
    struct sent *s = notice_new(provider_of(b), type, o->book.key, o->notify);
    struct claim c = claim_truth(o);
    copy_name(s->n.about, sizeof s->n.about, str_from(o->book.reference));
    s->n.must = o->after_success;
    struct jw w = begin(s);
    jw_object(&w, "object");
    jw_str(&w, "object", str_from(objects[o->book.kind]));
    write_claim(&w, o, &c, true);
    jw_object_end(&w);
    finish(s, &w);
}

void notify_cleared(struct book *b, struct operation *charge)
{
    struct provider_names names;
    if (!charge->notify[0])
        return;
    struct sent *s = notice_new(provider_of(b), "charge.cleared", charge->book.key, charge->notify);
    copy_name(s->n.about, sizeof s->n.about, str_from(charge->book.reference));
    s->n.must = true;
    provider_names(&charge->book, &names);
    struct jw w = begin(s);
    jw_object(&w, "object");
    jw_str(&w, "object", STR("clearing"));
    jw_str(&w, "reference", str_from(charge->book.reference));
    jw_int(&w, "amount", charge->book.cleared);
    jw_str(&w, "currency", str_from(charge->book.currency));
    if (names.acquirer[0])
        jw_str(&w, "acquirer_reference", str_from(names.acquirer));
    jw_object_end(&w);
    finish(s, &w);
}

void notify_dispute(struct book *b, const char *type, struct dispute *d)
{
    if (!d->charge->notify[0])
        return;
    struct sent *s = notice_new(provider_of(b), type, d->book.key, d->charge->notify);
    copy_name(s->n.about, sizeof s->n.about, str_from(d->book.id));
    s->n.must = true;
    s->n.version = d->book.version;
    struct jw w = begin(s);
    book_dispute_write(&w, "object", d);
    finish(s, &w);
}

/* --- customers --- */
enum { BACK_AS_SENT, BACK_WRONG_KEY };

static void page_seen(const struct reply *r, void *arg)
{
    (void)arg;
    sim_trace("browser -> %d", r->status);
    if (r->status >= 400 && r->status <= 499)
        sim_violation("return", "a customer came back and was told %d", r->status);
}

static void page_refused(const struct reply *r, void *arg)
{
    (void)arg;
    if (r->status >= 200 && r->status <= 399)
        sim_violation("return", "a customer with a wrong key was told %d", r->status);
}

void browser_returns(struct book *b, struct operation *charge)
{
    struct provider *p = provider_of(b);
    if (!charge->back[0] || provider_chance(p, p->profile.return_lost))
        return;
    due_add(b, b->now_us + provider_up_to(p, 3 * SECOND_US), DUE_BROWSER, charge, BACK_AS_SENT);
    if (provider_chance(p, p->profile.return_odd))
        due_add(b, b->now_us + provider_up_to(p, 10 * SECOND_US), DUE_BROWSER, charge,
                (int64_t)provider_one_of(p, 2));
}

void browser_due(struct book *b, void *charge, int64_t how)
{
    const struct operation *o = charge;
    char path[sizeof o->back];
    (void)b;
    if (!o->back[0])
        return;
    memcpy(path, o->back, sizeof path);
    char *last = path + strlen(path) - 1;
    if (how == BACK_WRONG_KEY)
        *last = *last == '0' ? '1' : '0';
    struct visit v = {.method = "GET",
                      .path = str_from(path),
                      .done = how == BACK_WRONG_KEY ? page_refused : page_seen,
                      .patience_us = 30 * SECOND_US};
    network_visit(&v);
}
