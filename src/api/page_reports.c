/* What browsers report of our pages: violations of their policies, scripts that are not ours. They
 * are evidence, not orders: kept as far as there is room, never an error to who sends them. */
#include "api/api_internal.h"

#include "crypto/crypto.h"
#include "observe/observe.h"
#include "sys/sys.h"

#define BODY_MAX 8192
#define PENDING_MAX 64
#define PER_VISITOR_MAX 60 /* a minute */

struct reported {
    struct api *api;
    struct store_op op;
    int64_t now_us;
    int kept, dropped, seen;
    uint32_t fresh; /* bit n: report n of the body is new today */
    size_t kind_n, body_n;
    char text[]; /* kind, body */
};

struct keeping {
    struct store_tx *tx;
    struct reported *r;
};

static err_t keep(struct str content, void *arg)
{
    struct keeping *k = arg;
    struct reported *r = k->r;
    bool kept, fresh;
    err_t err = report_add(k->tx, content, r->now_us, &kept, &fresh);
    if (!err) {
        *(kept ? &r->kept : &r->dropped) += 1;
        r->fresh |= (uint32_t)fresh << r->seen++;
    }
    return err;
}

static err_t run_keep(struct store_tx *tx, void *arg)
{
    struct reported *r = arg;
    struct keeping k = {tx, r};
    r->kept = r->dropped = r->seen = 0;
    r->fresh = 0;
    err_t err = store_lock(tx, 0); /* one node at a time counts the day's */
    return err ? err
               : report_clean((struct str){r->text, r->kind_n},
                              (struct str){r->text + r->kind_n, r->body_n}, keep, &k);
}

/* Once a day each: anybody may send them, as often as he likes, and a log has no room for that. */
static err_t tell(struct str content, void *arg)
{
    struct reported *r = arg;
    if (r->fresh & 1)
        LOG(LOG_WARN, "page.report", LOG_VIEW("report", content));
    r->fresh >>= 1;
    return OK;
}

static void kept(err_t err, void *arg)
{
    struct reported *r = arg;
    struct api *a = r->api;
    if (err || r->dropped)
        metric_add(METRIC_PAGE_REPORTS, "result=\"dropped\"", err ? 1 : r->dropped);
    if (!err && r->kept) {
        metric_add(METRIC_PAGE_REPORTS, "result=\"kept\"", r->kept);
        err = report_clean((struct str){r->text, r->kind_n},
                           (struct str){r->text + r->kind_n, r->body_n}, tell, r);
    }
    mem_free(r);
    __atomic_sub_fetch(&a->asked, 1, __ATOMIC_RELEASE);
}

static bool may_report(struct api *a, struct str who)
{
    const struct crypto_piece piece = {who.p, who.n};
    uint8_t key[16];
    crypto_hash(key, sizeof key, &piece, 1);
    return limiter_take(&a->page_reports, key, PER_VISITOR_MAX, MINUTE_US, NULL) &&
           __atomic_load_n(&a->asked, __ATOMIC_ACQUIRE) < PENDING_MAX;
}

void page_report(struct api *api, struct str kind, struct str who, struct str body)
{
    struct reported *r = NULL;
    if (body.n == 0 || body.n > BODY_MAX || !may_report(api, who) ||
        !(r = mem_alloc(sizeof *r + kind.n + body.n))) {
        metric_add(METRIC_PAGE_REPORTS, "result=\"dropped\"", 1);
        return;
    }
    r->api = api;
    r->now_us = sys_now_us();
    r->kind_n = kind.n;
    r->body_n = body.n;
    if (kind.n)
        memcpy(r->text, kind.p, kind.n);
    memcpy(r->text + kind.n, body.p, body.n);
    r->op = (struct store_op){.run = run_keep, .done = kept, .arg = r};
    __atomic_add_fetch(&api->asked, 1, __ATOMIC_ACQUIRE);
    err_t err = store_submit(api->config.store, &r->op);
    if (err)
        kept(err, r);
}

void on_page_report(struct http_request *req, void *ctx)
{
    struct api *api = ctx;
    uint8_t room[16];
    struct http_answer answer = {.status = 204};
    if (req->body.n > BODY_MAX) {
        struct err_info info = {.err = OK};
        (void)error_set(&info, ERR_TOO_LARGE, "A report has at most %d bytes.", BODY_MAX);
        http_reply_problem(req, &info);
        return;
    }
    page_report(api, STR("checkout"),
                http_visitor_or_peer(req, api->config.settings->proxies, room), req->body);
    http_reply(req, &answer);
}
