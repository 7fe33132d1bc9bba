/* The real card role and the real pages, with stand-ins for `api` and the vault: what the browser
 * tests of web/ talk to. Usage: card_host PUBLIC_URL; says on its output where it listens and what
 * it was told, one JSON object a line; ends when its input does. Only for test cards: it prints
 * them. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "card/card.h"
#include "crypto/crypto.h"
#include "link/link.h"
#include "sys/sys.h"
#include "web/web.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void say(struct buf *line)
{
    (void)pthread_mutex_lock(&lock);
    (void)printf("%s\n", line->failed ? "{}" : line->p);
    (void)fflush(stdout);
    (void)pthread_mutex_unlock(&lock);
    buf_free(line);
}

/* --- the stand-in of api --- */
static bool check(struct link *l, const struct link_frame *f)
{
    char token[256], origin[256];
    struct link_reader r = {.rest = f->payload};
    struct buf line = BUF(4096), answer = BUF(LINK_SMALL);
    link_take_text(&r, token, sizeof token);
    link_take_text(&r, origin, sizeof origin);
    struct jw w = {.b = &line};
    jw_object(&w, NULL);
    jw_str(&w, "token", str_from(token));
    jw_str(&w, "origin", str_from(origin));
    jw_object_end(&w);
    say(&line);
    bool over = strstr(token, "over") != NULL;
    link_put_int(&answer, over ? ERR_UNAUTHENTICATED : OK);
    link_put_str(&answer, over ? STR("The client token has expired.") : STR(""));
    link_put_int(&answer, 2);
    link_put_int(&answer, 0);
    (void)link_send(l, LINK_CLIENT_IS, f->call, buf_view(&answer), -1);
    buf_free(&answer);
    return link_taken(&r);
}

static void method_json(struct buf *out, struct link_reader *r)
{
    char text[ID_TEXT_MAX];
    struct jw w = {.b = out};
    jw_object(&w, NULL);
    jw_str(&w, "id", str_from(id_text(ID_PAYMENT_METHOD, link_take_id(r), text)));
    jw_str(&w, "type", STR("card"));
    jw_str(&w, "status", STR("unattached"));
    jw_object(&w, "card");
    jw_str(&w, "brand", link_take_str(r, 64));
    jw_str(&w, "last_four", link_take_str(r, 4));
    jw_str(&w, "bin", link_take_str(r, 8)); /* which the fields must not hand on */
    jw_int(&w, "exp_month", link_take_int(r));
    jw_int(&w, "exp_year", link_take_int(r));
    jw_object_end(&w);
    jw_object_end(&w);
}

static bool save(struct link *l, const struct link_frame *f)
{
    struct link_reader r = {.rest = f->payload};
    struct buf json = BUF(4096), answer = BUF(LINK_PAYLOAD_MAX), line = BUF(4096);
    (void)link_take_str(&r, 256);
    method_json(&json, &r);
    (void)link_take_str(&r, 32);
    struct str name = link_take_str(&r, 1024);
    struct jw w = {.b = &line};
    jw_object(&w, NULL);
    jw_str(&w, "name", name);
    jw_object_end(&w);
    say(&line);
    link_put_int(&answer, 201);
    link_put_str(&answer, buf_view(&json));
    (void)link_send(l, LINK_METHOD_IS, f->call, buf_view(&answer), -1);
    buf_free(&json);
    buf_free(&answer);
    return link_taken(&r);
}

static bool report(struct link *l, const struct link_frame *f)
{
    struct link_reader r = {.rest = f->payload};
    struct buf line = BUF(65536), answer = BUF(LINK_SMALL);
    (void)link_take_str(&r, 64);
    (void)link_take_str(&r, 64);
    struct jw w = {.b = &line};
    jw_object(&w, NULL);
    jw_str(&w, "report", link_take_str(&r, 16384));
    jw_object_end(&w);
    say(&line);
    link_put_int(&answer, OK);
    (void)link_send(l, LINK_PAGE_REPORTED, f->call, buf_view(&answer), -1);
    buf_free(&answer);
    return link_taken(&r);
}

static bool ask_api(struct link *l, const struct link_frame *f, void *arg)
{
    (void)arg;
    switch (f->message) {
    case LINK_CLIENT_CHECK:
        return check(l, f);
    case LINK_CARD_SAVED:
        return save(l, f);
    case LINK_PAGE_REPORT:
        return report(l, f);
    default:
        return false;
    }
}

/* --- the stand-in of the vault --- */
static bool ask_vault(struct link *l, const struct link_frame *f, void *arg)
{
    struct link_reader r = {.rest = f->payload};
    struct buf line = BUF(4096), answer = BUF(LINK_SMALL);
    struct id id;
    (void)arg;
    (void)link_take_int(&r);
    (void)link_take_int(&r);
    struct jw w = {.b = &line};
    jw_object(&w, NULL);
    jw_str(&w, "number", link_take_str(&r, 32));
    jw_int(&w, "month", link_take_int(&r));
    jw_int(&w, "year", link_take_int(&r));
    jw_str(&w, "cvc", link_take_str(&r, 8));
    jw_object_end(&w);
    say(&line);
    sys_random(id.b, sizeof id.b);
    link_put_int(&answer, OK);
    link_put_id(&answer, id);
    link_put_bytes(&answer, id.b, 16);
    (void)link_send(l, LINK_VAULT_SEALED, f->call, buf_view(&answer), -1);
    buf_free(&answer);
    return link_taken(&r);
}

/* --- the pages of the public zone --- */
static char card_url[64];
static const char *public_url;

/* GET /pay?state=JSON: the test's own server asks for it, and sends it on. */
static void on_checkout(struct http_request *req, void *ctx)
{
    struct url_pair pair[1];
    struct err_info info = {0};
    size_t n = 0;
    (void)ctx;
    err_t err = url_query(req->query, req->arena, pair, 1, &n, &info);
    if (err || n != 1) {
        http_reply_problem(req, &info);
        return;
    }
    struct web_checkout page = {.card_url = str_from(card_url),
                                .public_url = str_from(public_url),
                                .state = pair[0].value.n ? pair[0].value : (struct str){NULL, 0}};
    web_reply_checkout(req, &page);
}

static void on_script(struct http_request *req, void *ctx)
{
    (void)ctx;
    web_reply_asset(req, web_asset_find(STR("/checkout/checkout.js")), WEB_OWN);
}

/* --- starting --- */
static int listen_here(char url[64])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, 64) ||
        getsockname(fd, (struct sockaddr *)&a, &n))
        check_panic("card_host: cannot listen");
    (void)snprintf(url, 64, "http://127.0.0.1:%d", ntohs(a.sin_port));
    return fd;
}

static struct link *join(struct card_role *card, enum link_role peer,
                         bool (*request)(struct link *, const struct link_frame *, void *))
{
    int ends[2];
    struct link *l = NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        check_panic("card_host: no pair");
    struct link_config config = {
        .fd = ends[1], .self = peer, .peer = LINK_CARD, .thread = "stand-in", .request = request};
    if (link_open(&config, &l) || card_link(card, peer, ends[0]))
        check_panic("card_host: no link");
    return l;
}

int main(int argc, char **argv)
{
    static const struct http_route routes[] = {{HTTP_GET, "/pay", on_checkout, 0},
                                               {HTTP_GET, "/checkout/checkout.js", on_script, 0}};
    char pages_url[64], byte;
    struct card_role *card = NULL;
    struct http_server *pages = NULL;
    struct err_info info = {0};
    public_url = argc > 1 ? argv[1] : "";
    struct card_config config = {.listen_fd = listen_here(card_url),
                                 .url = card_url,
                                 .public_url = public_url,
                                 .calls_max = 4,
                                 .connections_max = 256,
                                 .read_timeout_ms = 10000,
                                 .idle_timeout_ms = 30000};
    struct http_server_config server = {.name = "public",
                                        .listen_fd = listen_here(pages_url),
                                        .routes = routes,
                                        .routes_n = COUNT_OF(routes),
                                        .header_bytes_max = 65536,
                                        .body_bytes_max = 8192,
                                        .read_timeout_ms = 10000,
                                        .idle_timeout_ms = 30000,
                                        .connections_max = 256};
    if (card_start(&config, &card, &info) || http_server_start(&server, &pages, &info))
        check_panic("card_host: %s", info.detail);
    struct link *api = join(card, LINK_API, ask_api), *vault = join(card, LINK_VAULT, ask_vault);
    struct buf line = BUF(1024);
    buf_printf(&line, "{\"card\": \"%s\", \"pages\": \"%s\"}", card_url, pages_url);
    say(&line);
    while (read(0, &byte, 1) > 0)
        continue;
    http_server_stop(pages);
    card_stop(card);
    link_close(api);
    link_close(vault);
    return 0;
}
