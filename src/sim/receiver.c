/* Merchants' receivers of webhooks: made and switched through the API, they verify and remember
 * each delivery, and answer as badly as the profile wants. */
#include <sodium.h>

#include "sim/sim_internal.h"

#define PER_MERCHANT_MAX 3
#define EVENT_BYTES_MAX ((size_t)8 << 20)
#define MADE_WITHIN_US INT64_C(60000000)
#define SWITCHED 250 /* per mille of endpoints */
#define OFF_US_MAX INT64_C(60000000)
#define ON_US_MAX INT64_C(180000000)

/* Of an endpoint that does not want all. */
static const char *const some_types[] = {"payment.captured", "refund.succeeded"};

/* One ask is under way at a time, so that an endpoint's last state is known. */
enum state { UNMADE, MAKING, ON, TURNING_OFF, OFF, TURNING_ON };

/* What nobody else looks at. */
struct place {
    struct receivers *all;
    struct receiver *receiver;
    enum state state;
    bool gone;     /* refuses connections until healed */
    bool switched; /* is disabled and enabled again now and then */
    int asks;
    size_t cap; /* of receiver->received */
};

struct receivers {
    struct receiver_profile profile;
    struct clients *clients;
    int64_t until_us;
    struct det rng;
    bool healed;
    struct receiver *list; /* as many as may be: they do not move */
    struct place *places;
    size_t n;
};

static bool chance(struct receivers *r, int per_mille)
{
    return per_mille > 0 && det_below(&r->rng, 1000) < (uint64_t)per_mille;
}

static int64_t up_to(struct receivers *r, int64_t max)
{
    return max > 0 ? (int64_t)det_below(&r->rng, (uint64_t)max + 1) : 0;
}

/* --- making and switching --- */
static void ask_for(struct place *p, const char *what, const char *body,
                    void (*settled)(const struct ask *a, void *arg))
{
    const struct receiver *v = p->receiver;
    struct ask a = {.kind = ASK_ENDPOINT, .merchant = v->merchant, .method = "POST"};
    size_t number = (size_t)(p - p->all->places);
    (void)snprintf(a.path, sizeof a.path, "/v1/webhook_endpoints%s%s%s", v->id[0] ? "/" : "", v->id,
                   what);
    (void)snprintf(a.key, sizeof a.key, "endpoint-%zu-%d", number, p->asks++);
    a.body = BUF(1024);
    buf_str(&a.body, body);
    ASSERT(!a.body.failed);
    (void)clients_add(p->all->clients, &a, settled, p);
    buf_free(&a.body);
}

static void on_off(const struct ask *a, void *arg);
static void on_on(const struct ask *a, void *arg);

static void turn_off(void *arg)
{
    struct heap *before = heap_enter(NULL);
    struct place *p = arg;
    if (p->state == ON && !p->all->healed && sim_now_us() < p->all->until_us) {
        p->state = TURNING_OFF;
        p->receiver->disabled = true;
        ask_for(p, "/disable", "{}", on_off);
    }
    (void)heap_enter(before);
}

static void turn_on(void *arg)
{
    struct heap *before = heap_enter(NULL);
    struct place *p = arg;
    if (p->state == OFF) {
        p->state = TURNING_ON;
        ask_for(p, "/enable", "{}", on_on);
    }
    (void)heap_enter(before);
}

static void off_for_a_while(struct place *p)
{
    p->state = OFF;
    sim_at(sim_now_us() + up_to(p->all, p->all->healed ? 0 : OFF_US_MAX), turn_on, p);
}

static void on_for_a_while(struct place *p)
{
    p->state = ON;
    if (p->switched)
        sim_at(sim_now_us() + up_to(p->all, ON_US_MAX), turn_off, p);
}

/* An endpoint that nobody can make, or switch, would let its judges look at nothing. */
static void expect_ok(const struct ask *a)
{
    if (a->first.status != 200)
        sim_violation("endpoint", "ask %zu was answered %d", a->number, a->first.status);
}

static void on_off(const struct ask *a, void *arg)
{
    struct heap *before = heap_enter(NULL);
    expect_ok(a);
    off_for_a_while(arg);
    (void)heap_enter(before);
}

static void on_on(const struct ask *a, void *arg)
{
    struct heap *before = heap_enter(NULL);
    expect_ok(a);
    on_for_a_while(arg);
    (void)heap_enter(before);
}

static bool take_text(char *out, size_t max, json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text || strlen(text) >= max)
        return false;
    (void)snprintf(out, max, "%s", text);
    return true;
}

static void on_made(const struct ask *a, void *arg)
{
    static const struct json_limits limits = {EVENT_BYTES_MAX, 16};
    struct heap *before = heap_enter(NULL);
    struct place *p = arg;
    struct receiver *v = p->receiver;
    struct err_info info = {0};
    json_t *object = NULL;
    expect_ok(a);
    if (a->first.status == 200 &&
        json_read(buf_view(&a->first.body), &limits, &object, &info) == OK &&
        take_text(v->secret, sizeof v->secret, object, "secret") &&
        take_text(v->id, sizeof v->id, object, "id")) {
        v->made_us = sim_now_us();
        on_for_a_while(p);
    }
    json_decref(object);
    (void)heap_enter(before);
}

static void write_creation(const struct receiver *v, struct buf *out)
{
    struct jw w = {.b = out};
    jw_object(&w, NULL);
    jw_str(&w, "url", str_from(v->url));
    jw_array(&w, "enabled_events");
    for (size_t i = 0; i < (v->all_events ? 1 : COUNT_OF(some_types)); i++)
        jw_str(&w, NULL, v->all_events ? STR("*") : str_from(some_types[i]));
    jw_array_end(&w);
    jw_object_end(&w);
}

static void make(void *arg)
{
    struct heap *before = heap_enter(NULL);
    struct place *p = arg;
    struct buf body = BUF(1024);
    write_creation(p->receiver, &body);
    ASSERT(p->state == UNMADE && !body.failed);
    p->state = MAKING;
    ask_for(p, "", body.p, on_made);
    buf_free(&body);
    (void)heap_enter(before);
}

static void add(struct receivers *r, int merchant)
{
    struct receiver *v = &r->list[r->n];
    struct place *p = &r->places[r->n];
    int64_t now_us = sim_now_us(), left_us = num_max(r->until_us - now_us, 0);
    *v = (struct receiver){.merchant = merchant, .all_events = det_below(&r->rng, 3) > 0};
    (void)snprintf(v->url, sizeof v->url, "http://receiver-%zu.test/hook", r->n);
    *p = (struct place){.all = r, .receiver = v};
    p->gone = chance(r, r->profile.gone);
    p->switched = chance(r, SWITCHED);
    r->n++;
    sim_at(now_us + up_to(r, num_min(left_us / 3, MADE_WITHIN_US)), make, p);
}

struct receivers *receivers_start(const struct receiver_profile *profile, struct clients *clients,
                                  const struct merchant *merchants, size_t merchants_n,
                                  int64_t until_us, const struct det *rng)
{
    struct heap *before = heap_enter(NULL);
    struct receivers *r = mem_alloc(sizeof *r);
    (void)merchants; /* clients know their keys */
    ASSERT(r && merchants_n > 0);
    *r = (struct receivers){
        .profile = *profile, .clients = clients, .until_us = until_us, .rng = *rng};
    r->list = mem_alloc(merchants_n * PER_MERCHANT_MAX * sizeof *r->list);
    r->places = mem_alloc(merchants_n * PER_MERCHANT_MAX * sizeof *r->places);
    ASSERT(r->list && r->places);
    for (size_t m = 0; m < merchants_n; m++)
        for (uint64_t n = 1 + det_below(&r->rng, PER_MERCHANT_MAX); n > 0; n--)
            add(r, (int)m);
    (void)heap_enter(before);
    return r;
}

void receivers_free(struct receivers *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        mem_free(r->list[i].received);
    mem_free(r->list);
    mem_free(r->places);
    mem_free(r);
}

void receivers_heal(struct receivers *r)
{
    r->healed = true;
    r->profile = (struct receiver_profile){.slow_ms = 10};
    for (size_t i = 0; i < r->n; i++) {
        struct place *p = &r->places[i];
        p->gone = p->switched = false;
        if (p->state == ON && p->receiver->disabled)
            p->state = OFF; /* a 410 may have come to Florin after the enabling */
        turn_on(p);         /* one that is being turned off follows when it is */
    }
}

const struct receiver *receivers_list(const struct receivers *r, size_t *ret_n)
{
    *ret_n = r->n;
    return r->list;
}

static struct place *find(const struct receivers *r, const char *url)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->list[i].url, url) == 0)
            return &r->places[i];
    return NULL;
}

bool receiver_refuses(const struct receivers *r, const char *url)
{
    const struct place *p = find(r, url);
    return !p || p->gone;
}

/* --- verifying --- */
static struct str header(const char *const *headers, const char *name)
{
    struct str want = str_from(name);
    for (; headers && *headers; headers++) {
        struct str line = str_from(*headers);
        if (line.n > want.n + 1 && line.p[want.n] == ':' &&
            str_eq_nocase((struct str){line.p, want.n}, want)) {
            size_t skip = want.n + (line.p[want.n + 1] == ' ' ? 2 : 1);
            return (struct str){line.p + skip, line.n - skip};
        }
    }
    return (struct str){NULL, 0};
}

static bool is_number(struct str s)
{
    int64_t n;
    return str_to_i64(s, &n) && n > 0;
}

/* One of "v1,BASE64 v1,BASE64" with this code? */
static bool names_code(struct str signatures, const uint8_t mac[crypto_auth_hmacsha256_BYTES])
{
    const char *p = signatures.p, *end = p + signatures.n;
    uint8_t given[crypto_auth_hmacsha256_BYTES];
    for (; p && p < end; p++) {
        const char *space = memchr(p, ' ', (size_t)(end - p));
        struct str one = {p, (size_t)((space ? space : end) - p)};
        size_t n = 0;
        p += one.n;
        if (str_starts(one, STR("v1,")) &&
            sodium_base642bin(given, sizeof given, one.p + 3, one.n - 3, NULL, &n, NULL,
                              sodium_base64_VARIANT_ORIGINAL) == 0 &&
            n == sizeof given && memcmp(given, mac, n) == 0)
            return true;
    }
    return false;
}

/* Standard Webhooks 1.0.0: HMAC-SHA256 over id.timestamp.body. */
static bool signature_fits(const struct receiver *v, const char *const *headers, struct str body)
{
    struct str id = header(headers, "webhook-id"), at = header(headers, "webhook-timestamp");
    const struct str prefix = STR("whsec_"), secret = str_from(v->secret);
    uint8_t key[64], mac[crypto_auth_hmacsha256_BYTES];
    size_t key_n = 0;
    if (id.n == 0 || memchr(id.p, '.', id.n) || !is_number(at) || !str_starts(secret, prefix) ||
        sodium_base642bin(key, sizeof key, secret.p + prefix.n, secret.n - prefix.n, NULL, &key_n,
                          NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        key_n < 24)
        return false;
    crypto_auth_hmacsha256_state state;
    const struct str parts[] = {id, STR("."), at, STR("."), body};
    crypto_auth_hmacsha256_init(&state, key, key_n);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (parts[i].n)
            crypto_auth_hmacsha256_update(&state, (const uint8_t *)parts[i].p, parts[i].n);
    crypto_auth_hmacsha256_final(&state, mac);
    return names_code(header(headers, "webhook-signature"), mac);
}

static bool wants(const struct receiver *v, const char *type)
{
    for (size_t i = 0; i < COUNT_OF(some_types); i++)
        if (strcmp(type, some_types[i]) == 0)
            return true;
    return v->all_events;
}

/* Is it the event that the header says? */
static bool body_fits(const struct receiver *v, struct str id, struct str body)
{
    static const struct json_limits limits = {EVENT_BYTES_MAX, 64};
    struct err_info info = {0};
    json_t *event = NULL;
    bool fits = json_read(body, &limits, &event, &info) == OK;
    const char *text = json_string_value(json_object_get(event, "id"));
    const char *type = json_string_value(json_object_get(event, "type"));
    fits = fits && text && type && str_eq(str_from(text), id);
    if (fits && !wants(v, type))
        sim_violation("I20", "%s got %s, a %s, which it did not ask for", v->id, text, type);
    json_decref(event);
    return fits;
}

/* --- remembering --- */
static uint64_t hash_of(struct str s)
{
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (uint8_t)s.p[i]) * UINT64_C(1099511628211);
    return h;
}

/* Where the event is, or belongs: they are kept in the order of their ids. */
static size_t place_of(const struct receiver *v, const char *event)
{
    size_t low = 0, high = v->received_n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(v->received[middle].event, event) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct received *remember(struct place *p, const char *event, struct str body,
                                 int64_t now_us)
{
    struct receiver *v = p->receiver;
    size_t i = place_of(v, event);
    uint64_t hash = hash_of(body);
    if (i < v->received_n && strcmp(v->received[i].event, event) == 0) {
        v->received[i].differed = v->received[i].differed || v->received[i].hash != hash;
        return &v->received[i];
    }
    if (v->received_n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 256;
        v->received = mem_resize(v->received, p->cap * sizeof *v->received);
        ASSERT(v->received != NULL);
    }
    memmove(&v->received[i + 1], &v->received[i], (v->received_n - i) * sizeof *v->received);
    v->received_n++;
    v->received[i] = (struct received){.hash = hash, .first_us = now_us};
    (void)snprintf(v->received[i].event, sizeof v->received[i].event, "%s", event);
    return &v->received[i];
}

/* --- answering --- */
static int refuse(struct place *p, int *ret_retry_after_s)
{
    static const int statuses[] = {301, 400, 403, 404, 408, 429, 500, 502, 503, 504};
    struct receivers *r = p->all;
    if (p->state == ON && sim_now_us() < r->until_us && chance(r, 20)) {
        p->receiver->disabled = true; /* by Florin, for its 410 */
        off_for_a_while(p);
        return 410;
    }
    if (chance(r, 300))
        *ret_retry_after_s = 1 + (int)up_to(r, 5);
    return statuses[det_below(&r->rng, COUNT_OF(statuses))];
}

static int answer(struct place *p, struct received *got, int *ret_retry_after_s)
{
    static const int statuses[] = {200, 200, 201, 202, 204};
    struct receivers *r = p->all;
    if (chance(r, r->profile.silent))
        return 0;
    if (chance(r, r->profile.fail))
        return refuse(p, ret_retry_after_s);
    got->times++;
    return statuses[det_below(&r->rng, COUNT_OF(statuses))];
}

static int deliver(struct place *p, int64_t now_us, const char *const *headers, struct str body,
                   int *ret_retry_after_s)
{
    struct receiver *v = p->receiver;
    struct str id = header(headers, "webhook-id");
    char event[ID_TEXT_MAX];
    if (!v->secret[0]) /* the answer that has it is still on its way */
        return 503;
    bool signed_well = id.n < sizeof event && signature_fits(v, headers, body);
    if (!signed_well || !body_fits(v, id, body)) {
        v->forged++;
        return signed_well ? 400 : 401;
    }
    memcpy(event, id.p, id.n);
    event[id.n] = 0;
    return answer(p, remember(p, event, body, now_us), ret_retry_after_s);
}

int receiver_request(struct receivers *r, int64_t now_us, const char *url,
                     const char *const *headers, struct str body, int64_t *ret_wait_us,
                     int *ret_retry_after_s)
{
    struct heap *before = heap_enter(NULL);
    struct place *p = find(r, url);
    *ret_wait_us = up_to(r, (int64_t)r->profile.slow_ms * 1000);
    *ret_retry_after_s = 0;
    int status = p ? deliver(p, now_us, headers, body, ret_retry_after_s) : 404;
    (void)heap_enter(before);
    return status;
}
