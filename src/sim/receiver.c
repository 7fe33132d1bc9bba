/* Receivers of webhooks. */
#include <sodium.h>

#include "sim/sim_internal.h"

#define PER_MERCHANT 3

struct place {
    bool gone; /* refuses connections until healed */
    size_t cap;
    size_t create; /* its ask */
    int toggles;
};

struct receivers {
    struct receiver_profile profile;
    struct clients *clients;
    const struct merchant *merchants;
    int64_t until_us;
    struct det rng;
    struct receiver *list;
    struct place *places;
    size_t n;
    bool healed;
};

static struct receivers *self;

static bool chance(struct receivers *r, int per_mille)
{
    return per_mille > 0 && det_below(&r->rng, 1000) < (uint64_t)per_mille;
}

static void *as_arg(size_t i)
{
    return (void *)(uintptr_t)i;
}

static struct ask switch_ask(const struct receiver *v, const char *what)
{
    struct ask a = {.kind = ASK_ENDPOINT, .merchant = v->merchant, .method = "POST"};
    (void)snprintf(a.path, sizeof a.path, "/v1/webhook_endpoints/%s/%s", v->id, what);
    (void)snprintf(a.key, sizeof a.key, "%.6s-%.36s-%lld", what, v->id, (long long)sim_now_us());
    return a;
}

static void send_body(struct receivers *r, struct ask *a, const char *body,
                      void (*settled)(const struct ask *, void *), void *arg)
{
    a->body = BUF(1000);
    buf_str(&a->body, body);
    (void)clients_add(r->clients, a, settled, arg);
    buf_free(&a->body);
}

static void toggle(void *arg)
{
    size_t i = (size_t)(uintptr_t)arg;
    struct receivers *r = self;
    if (!r || r->healed)
        return;
    bool off = r->places[i].toggles++ % 2 == 0;
    struct ask a = switch_ask(&r->list[i], off ? "disable" : "enable");
    r->list[i].disabled = true;
    send_body(r, &a, "{}", NULL, NULL);
    if (off)
        sim_at(sim_now_us() + (int64_t)det_below(&r->rng, 60000000), toggle, arg);
}

static void made(const struct ask *a, void *arg)
{
    size_t i = (size_t)(uintptr_t)arg;
    struct receivers *r = self;
    struct receiver *v = &r->list[i];
    json_t *j = a->first.body.p ? json_loadb(a->first.body.p, a->first.body.n, 0, NULL) : NULL;
    const char *id = json_string_value(json_object_get(j, "id"));
    const char *secret = json_string_value(json_object_get(j, "secret"));
    if (a->first.status == 200 && id && secret) {
        (void)snprintf(v->id, sizeof v->id, "%s", id);
        (void)snprintf(v->secret, sizeof v->secret, "%s", secret);
        v->made_us = sim_now_us();
        if (chance(r, 200) && !r->healed)
            sim_at(sim_now_us() + (int64_t)det_below(&r->rng, 200000000), toggle, arg);
    }
    json_decref(j);
}

static void make(void *arg)
{
    size_t i = (size_t)(uintptr_t)arg;
    struct receivers *r = self;
    struct receiver *v = &r->list[i];
    char body[300];
    struct ask a = {.kind = ASK_ENDPOINT,
                    .merchant = v->merchant,
                    .method = "POST",
                    .path = "/v1/webhook_endpoints"};
    (void)snprintf(a.key, sizeof a.key, "endpoint-%zu", i);
    (void)snprintf(body, sizeof body, "{\"url\":\"%s\",\"enabled_events\":[%s]}", v->url,
                   v->all_events ? "\"*\"" : "\"payment.captured\",\"refund.succeeded\"");
    send_body(r, &a, body, made, arg);
}

struct receivers *receivers_start(const struct receiver_profile *profile, struct clients *clients,
                                  const struct merchant *merchants, size_t merchants_n,
                                  int64_t until_us, const struct det *rng)
{
    struct receivers *r = mem_alloc(sizeof *r);
    ASSERT(r != NULL);
    *r = (struct receivers){.profile = *profile,
                            .clients = clients,
                            .merchants = merchants,
                            .until_us = until_us,
                            .rng = *rng};
    self = r;
    r->list = mem_alloc(merchants_n * PER_MERCHANT * sizeof *r->list);
    r->places = mem_alloc(merchants_n * PER_MERCHANT * sizeof *r->places);
    ASSERT(r->list && r->places);
    for (size_t m = 0; m < merchants_n; m++)
        for (uint64_t k = 1 + det_below(&r->rng, PER_MERCHANT); k > 0; k--) {
            struct receiver *v = &r->list[r->n];
            v->merchant = (int)m;
            v->all_events = det_below(&r->rng, 3) > 0;
            (void)snprintf(v->url, sizeof v->url, "http://receiver-%zu.test/hook", r->n);
            r->places[r->n].gone = chance(r, profile->gone);
            sim_at(sim_now_us() + (int64_t)det_below(&r->rng, 30000000), make, as_arg(r->n));
            r->n++;
        }
    return r;
}

void receivers_free(struct receivers *r)
{
    for (size_t i = 0; i < r->n; i++)
        mem_free(r->list[i].received);
    mem_free(r->list);
    mem_free(r->places);
    mem_free(r);
    self = NULL;
}

void receivers_heal(struct receivers *r)
{
    r->healed = true;
    r->profile = (struct receiver_profile){.slow_ms = 10};
    for (size_t i = 0; i < r->n; i++) {
        struct place *p = &r->places[i];
        p->gone = false;
        if (p->toggles % 2 == 1) { /* off: on again */
            struct ask a = switch_ask(&r->list[i], "enable");
            p->toggles++;
            send_body(r, &a, "{}", NULL, NULL);
        }
    }
}

const struct receiver *receivers_list(const struct receivers *r, size_t *ret_n)
{
    *ret_n = r->n;
    return r->list;
}

static struct receiver *find(const struct receivers *r, const char *url)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->list[i].url, url) == 0)
            return &r->list[i];
    return NULL;
}

bool receiver_refuses(const struct receivers *r, const char *url)
{
    const struct receiver *v = find(r, url);
    return !v || r->places[v - r->list].gone;
}

/* --- a delivery --- */
static const char *header(const char *const *headers, const char *name)
{
    size_t n = strlen(name);
    for (; *headers; headers++)
        if (strncmp(*headers, name, n) == 0 && strncmp(*headers + n, ": ", 2) == 0)
            return *headers + n + 2;
    return "";
}

/* Standard Webhooks 1.0.0: HMAC-SHA256 over id.timestamp.body. */
static bool signature_fits(const struct receiver *v, const char *id, const char *timestamp,
                           struct str body, const char *given)
{
    uint8_t key[64], mac[crypto_auth_hmacsha256_BYTES];
    char text[64];
    size_t key_n = 0;
    crypto_auth_hmacsha256_state state;
    if (strncmp(v->secret, "whsec_", 6) != 0 ||
        sodium_base642bin(key, sizeof key, v->secret + 6, strlen(v->secret + 6), NULL, &key_n, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    crypto_auth_hmacsha256_init(&state, key, key_n);
    const struct str parts[] = {str_from(id), {".", 1}, str_from(timestamp), {".", 1}, body};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        crypto_auth_hmacsha256_update(&state, (const uint8_t *)parts[i].p, parts[i].n);
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_bin2base64(text, sizeof text, mac, sizeof mac, sodium_base64_VARIANT_ORIGINAL);
    return strncmp(given, "v1,", 3) == 0 && strcmp(given + 3, text) == 0;
}

static uint64_t hash_of(struct str s)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
    return h;
}

/* Newest last: a repeat is mostly one of the last. */
static struct received *arrival(struct receivers *r, struct receiver *v, const char *id,
                                struct str body)
{
    struct place *p = &r->places[v - r->list];
    uint64_t hash = hash_of(body);
    for (size_t i = v->received_n; i > 0; i--) {
        struct received *have = &v->received[i - 1];
        if (strcmp(have->event, id) == 0) {
            have->differed = have->differed || have->hash != hash;
            return have;
        }
    }
    if (v->received_n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 256;
        v->received = mem_resize(v->received, p->cap * sizeof *v->received);
        ASSERT(v->received != NULL);
    }
    struct received *own = &v->received[v->received_n++];
    *own = (struct received){.hash = hash, .first_us = sim_now_us()};
    (void)snprintf(own->event, sizeof own->event, "%s", id);
    return own;
}

static bool body_names(struct str body, const char *id)
{
    char text[60];
    (void)snprintf(text, sizeof text, "\"id\":\"%s\"", id);
    return body.p && memmem(body.p, body.n, text, strlen(text)) != NULL;
}

int receiver_request(struct receivers *r, int64_t now_us, const char *url,
                     const char *const *headers, struct str body, int64_t *ret_wait_us,
                     int *ret_retry_after_s)
{
    struct receiver *v = find(r, url);
    const char *id = header(headers, "webhook-id"), *at = header(headers, "webhook-timestamp");
    (void)now_us;
    ASSERT(v != NULL);
    *ret_wait_us = (int64_t)det_below(&r->rng, (uint64_t)r->profile.slow_ms * 1000 + 1);
    *ret_retry_after_s = 0;
    if (!v->secret[0]) /* its answer is still on the way */
        return 503;
    if (!signature_fits(v, id, at, body, header(headers, "webhook-signature")) ||
        !body_names(body, id)) {
        v->forged++;
        return 401;
    }
    struct received *got = arrival(r, v, id, body);
    if (chance(r, r->profile.silent))
        return 0;
    if (chance(r, r->profile.fail)) {
        if (chance(r, 300))
            *ret_retry_after_s = 1 + (int)det_below(&r->rng, 5);
        return det_below(&r->rng, 2) ? 500 : 404;
    }
    got->times++;
    return det_below(&r->rng, 2) ? 200 : 204;
}
