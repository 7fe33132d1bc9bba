/* What the role `card` asks over its link: may a card be given under this client token, here is
 * one, a browser reports. A card's number is in none of it. */
#include "api/api_internal.h"

#include <stdio.h>

#include "observe/observe.h"
#include "sys/sys.h"

#define TRIES_MAX 10 /* per client token */
#define TRIES_WINDOW_US INT64_C(3600000000)
#define ANSWER_MAX ((size_t)64 * 1024)
#define FINGERPRINT 16

struct asked {
    struct api *api;
    struct link_slot *card;
    uint64_t call;
    int64_t merchant_id;
    uint8_t hash[CLIENT_HASH];
    char origin[CLIENT_ORIGIN_MAX];
    struct client_token token;
    bool found;
    struct card_facts facts;
    struct det det;
    struct buf method; /* as the merchant sees it */
    struct err_info error;
    struct store_op op;
};

static void release(struct asked *q)
{
    struct api *a = q->api;
    buf_free(&q->method);
    mem_wipe(q, sizeof *q);
    mem_free(q);
    __atomic_sub_fetch(&a->asked, 1, __ATOMIC_RELEASE);
}

/* Without memory: whoever asked must not wait for ever. */
static void answer_away(struct link_slot *card, enum link_message message, uint64_t call)
{
    char bytes[64];
    struct buf b = BUF_ON(bytes);
    link_put_int(&b, message == LINK_CLIENT_IS ? (int)ERR_UNAVAILABLE : 503);
    link_put_str(&b, STR(""));
    if (message == LINK_CLIENT_IS) {
        link_put_int(&b, 0);
        link_put_int(&b, 0);
    }
    (void)link_slot_send(card, message, call, buf_view(&b));
}

static void answer(struct asked *q, enum link_message message, struct buf *payload)
{
    if (payload->failed)
        answer_away(q->card, message, q->call);
    else if (!link_slot_send(q->card, message, q->call, buf_view(payload)))
        LOG(LOG_WARN, "card.answer_lost", LOG_STR("message", link_message_text((int)message)));
    buf_free(payload);
    release(q);
}

static struct asked *asked_new(struct api *a, struct link_slot *card, const struct link_frame *f)
{
    struct asked *q = mem_alloc(sizeof *q);
    if (!q)
        return NULL;
    __atomic_add_fetch(&a->asked, 1, __ATOMIC_ACQUIRE);
    *q = (struct asked){.api = a, .card = card, .call = f->call, .method = BUF(ANSWER_MAX)};
    return q;
}

static err_t no_token(struct asked *q)
{
    return error_set(&q->error, ERR_UNAUTHENTICATED, "There is no such client token.");
}

/* --- CLIENT_CHECK --- */

static err_t run_check(struct store_tx *tx, void *arg)
{
    struct asked *q = arg;
    err_t err = client_token_read(tx, q->merchant_id, q->hash, &q->token, &q->found);
    q->token.details = (struct str){NULL, 0}; /* the row's */
    return err;
}

/* A token is for one card; who mistypes it may try again, who tries many cards may not. */
static err_t check_tries(struct asked *q)
{
    int wait_s;
    if (limiter_take(&q->api->card_tries, q->hash, TRIES_MAX, TRIES_WINDOW_US, &wait_s))
        return OK;
    return error_set(&q->error, ERR_RATE_LIMITED,
                     "Too many cards were tried with this client token: ask for another.");
}

static void checked(err_t err, void *arg)
{
    struct asked *q = arg;
    struct buf b = BUF(LINK_SMALL);
    int64_t now_us = sys_now_us();
    if (!err && !q->found)
        err = no_token(q);
    if (!err)
        err = client_token_check(&q->token, now_us, str_from(q->origin), &q->error);
    if (!err)
        err = check_tries(q);
    link_put_int(&b, err);
    link_put_str(&b, str_from(q->error.detail));
    link_put_int(&b, err ? 0 : q->merchant_id);
    /* For good only once there is a row that somebody can detach: it may never come to that. */
    link_put_int(&b, now_us + METHOD_KEPT_US);
    answer(q, LINK_CLIENT_IS, &b);
}

static bool on_check(struct api *a, struct link_slot *card, const struct link_frame *f)
{
    struct link_reader r = {.rest = f->payload};
    struct asked *q = asked_new(a, card, f);
    if (!q) {
        answer_away(card, LINK_CLIENT_IS, f->call);
        return true;
    }
    struct str token = link_take_str(&r, 127);
    link_take_text(&r, q->origin, sizeof q->origin);
    if (!link_taken(&r)) {
        release(q);
        return false;
    }
    if (!client_token_parse(token, &q->merchant_id, q->hash)) {
        checked(no_token(q), q);
        return true;
    }
    q->op = (struct store_op){.run = run_check, .done = checked, .arg = q};
    err_t err = store_submit_read(a->config.store, &q->op);
    if (err)
        checked(err, q);
    return true;
}

/* --- CARD_SAVED --- */

/* A method token's card belongs to its customer at once; a payment's only when that says so. */
static err_t customer_of(struct store_tx *tx, const struct asked *q, struct id *ret)
{
    bool there = false;
    *ret = (struct id){{0}};
    if (q->token.purpose != CLIENT_PAYMENT_METHOD || id_is_zero(q->token.customer))
        return OK;
    err_t err = customer_read(tx, q->merchant_id, q->token.customer, &there);
    if (!err && there)
        *ret = q->token.customer;
    return err;
}

static err_t run_save(struct store_tx *tx, void *arg)
{
    struct asked *q = arg;
    struct det det = q->det;
    struct id customer;
    q->error = (struct err_info){.err = OK};
    buf_clear(&q->method);
    err_t err = client_token_give(tx, q->merchant_id, q->hash, q->facts.card, det.now_us, &q->token,
                                  &q->error);
    q->token.details = (struct str){NULL, 0}; /* the row's */
    if (!err)
        err = customer_of(tx, q, &customer);
    if (!err)
        err = method_from_card(tx, &det, q->merchant_id, &q->facts, customer, &q->method);
    return err;
}

static void write_card(struct jw *w, const struct asked *q, json_t *card)
{
    static const char *const members[] = {"brand", "last_four", "funding", "issuer", "country"};
    jw_object(w, "card");
    for (size_t i = 0; i < COUNT_OF(members); i++)
        jw_json(w, members[i], json_object_get(card, members[i]));
    jw_int(w, "exp_month", q->facts.exp_month);
    jw_int(w, "exp_year", q->facts.exp_year);
    jw_object_end(w);
}

/* As a browser sees it: nothing by which cards could be compared. */
static void write_method(struct buf *out, const struct asked *q)
{
    struct jw w = {.b = out};
    json_t *method = json_loadb(q->method.p, q->method.n, 0, NULL);
    jw_object(&w, NULL);
    jw_id(&w, "id", ID_PAYMENT_METHOD, q->facts.card);
    jw_str(&w, "object", STR("payment_method"));
    jw_str(&w, "type", STR("card"));
    jw_json(&w, "status", json_object_get(method, "status"));
    write_card(&w, q, json_object_get(method, "card"));
    jw_object_end(&w);
    json_decref(method);
}

static void saved(err_t err, void *arg)
{
    struct asked *q = arg;
    struct buf b = BUF(LINK_PAYLOAD_MAX), json = BUF(ANSWER_MAX);
    if (!err && q->method.failed)
        err = ERR_NO_MEMORY;
    if (err && q->error.err == OK)
        (void)error_set(&q->error, err, "%s", error_def(err)->title);
    if (err)
        problem_write(&json, &q->error, (struct id){{0}}, NULL, NULL);
    else
        write_method(&json, q);
    link_put_int(&b, err ? error_def(q->error.err)->status : 201);
    link_put_str(&b, buf_view(&json));
    b.failed = b.failed || json.failed;
    buf_free(&json);
    answer(q, LINK_METHOD_IS, &b);
}

static bool take_facts(struct link_reader *r, struct bin_table *bins, struct card_facts *f)
{
    f->card = link_take_id(r);
    link_take_text(r, f->brand, sizeof f->brand);
    link_take_text(r, f->last_four, sizeof f->last_four);
    link_take_text(r, f->bin, sizeof f->bin);
    f->exp_month = (int)link_take_int(r);
    f->exp_year = (int)link_take_int(r);
    struct str fingerprint = link_take_str(r, FINGERPRINT);
    link_take_text(r, f->name, sizeof f->name);
    if (!link_taken(r) || fingerprint.n != FINGERPRINT || id_is_zero(f->card))
        return false;
    memcpy(f->fingerprint, fingerprint.p, FINGERPRINT);
    (void)bin_table_find(bins, str_from(f->bin), &f->known);
    return true;
}

static bool on_saved(struct api *a, struct link_slot *card, const struct link_frame *f)
{
    struct link_reader r = {.rest = f->payload};
    struct asked *q = asked_new(a, card, f);
    if (!q) {
        answer_away(card, LINK_METHOD_IS, f->call);
        return true;
    }
    struct str token = link_take_str(&r, 127);
    if (!take_facts(&r, a->config.bins, &q->facts)) {
        release(q);
        return false;
    }
    if (!client_token_parse(token, &q->merchant_id, q->hash)) {
        saved(no_token(q), q);
        return true;
    }
    q->det = sys_det();
    q->op =
        (struct store_op){.merchant_id = q->merchant_id, .run = run_save, .done = saved, .arg = q};
    err_t err = store_submit(a->config.store, &q->op);
    if (err)
        saved(err, q);
    return true;
}

/* --- PAGE_REPORT --- */

static bool on_report(struct api *a, struct link_slot *card, const struct link_frame *f)
{
    struct link_reader r = {.rest = f->payload};
    char bytes[16];
    struct buf b = BUF_ON(bytes);
    struct str kind = link_take_str(&r, 40), who = link_take_str(&r, 64),
               body = link_take_str(&r, 8192);
    if (!link_taken(&r))
        return false;
    page_report(a, kind, who, body);
    link_put_int(&b, OK);
    (void)link_slot_send(card, LINK_PAGE_REPORTED, f->call, buf_view(&b));
    return true;
}

bool api_card_request(struct api *a, struct link_slot *card, const struct link_frame *f)
{
    switch (f->message) {
    case LINK_CLIENT_CHECK:
        return on_check(a, card, f);
    case LINK_CARD_SAVED:
        return on_saved(a, card, f);
    case LINK_PAGE_REPORT:
        return on_report(a, card, f);
    default:
        return false;
    }
}
