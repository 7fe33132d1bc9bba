/* florin up and florin serve. */
#include <stdio.h>
#include <unistd.h>

#include "cli/parent.h"
#include "http/http.h"
#include "observe/observe.h"
#include "wire/wire.h"

struct up {
    struct config config;
    char api[80], public[80], card[80], sandbox[80];
    bool told;
};

static void write_ready(struct parent *p, const struct dev *dev, struct buf *out)
{
    struct up *up = p->arg;
    struct jw w = {.b = out};
    char url[100];
    jw_object(&w, NULL);
    (void)snprintf(url, sizeof url, "http://%s", up->api);
    jw_str(&w, "api", str_from(url));
    (void)snprintf(url, sizeof url, "http://%s", up->public);
    jw_str(&w, "public", str_from(url));
    if (up->card[0]) {
        (void)snprintf(url, sizeof url, "http://%s", up->card);
        jw_str(&w, "card", str_from(url));
    } else {
        jw_null(&w, "card");
    }
    if (dev) {
        (void)snprintf(url, sizeof url, "http://%s", up->sandbox);
        jw_str(&w, "sandbox", str_from(url));
    }
    jw_null(&w, "console"); /* there is none yet */
    if (dev) {
        jw_str(&w, "secret_key", str_from(dev->secret_key));
        jw_str(&w, "publishable_key", str_from(dev->publishable_key));
        jw_str(&w, "merchant_id", str_from(dev->merchant));
    }
    jw_int(&w, "pid", getpid());
    jw_object(&w, "processes");
    for (size_t i = 0; i < p->roles_n; i++)
        jw_int(&w, p->roles[i].command + 5, p->roles[i].pid); /* without "role-" */
    jw_object_end(&w);
    jw_object_end(&w);
    buf_byte(out, '\n');
}

static void print_first_payment(const struct up *up, const struct dev *dev)
{
    (void)printf(
        "\nFlorin is up. A first payment:\n\n"
        "  curl -s http://%s/v1/payments \\\n"
        "    -H 'Authorization: Bearer %s' \\\n"
        "    -H 'Content-Type: application/json' -H \"Idempotency-Key: first-$(date +%%s)\" \\\n"
        "    -d '{\"amount\": 9232, \"currency\": \"EUR\", \"payment_method_token\": "
        "\"pm_tok_visa\", \"capture\": true, "
        "\"metadata\": {\"order_id\": \"ORD-1001\"}}'\n\n",
        up->api, dev->secret_key);
    if (up->card[0])
        (void)printf(
            "A page to pay on, with the card 4242 4242 4242 4242: open the `url` that this "
            "gives.\n\n"
            "  curl -s http://%s/v1/checkouts -H 'Authorization: Bearer %s' \\\n"
            "    -H 'Content-Type: application/json' -d '{\"amount\": 9232, \"currency\": "
            "\"EUR\"}'\n\n",
            up->api, dev->secret_key);
    (void)printf("What the sandbox provider charged: curl -s http://%s/book\n"
                 "Its control page, in a browser: http://%s/control\n"
                 "Ctrl-C stops everything; the data stays in %s.\n",
                 up->sandbox, up->sandbox, up->config.data);
}

static void up_ready(struct parent *p)
{
    struct up *up = p->arg;
    struct err_info info = {0};
    struct dev dev;
    struct buf text = BUF(4096);
    bool demo = up->sandbox[0] != 0;
    if (demo && dev_read(&up->config, &dev, &info) != OK) {
        (void)fail(&info);
        return;
    }
    write_ready(p, demo ? &dev : NULL, &text);
    if (up->config.ready_file[0] &&
        sys_write_file(up->config.ready_file, text.p, text.n, 0600, &info) != OK)
        (void)fail(&info);
    if (!up->told) {
        (void)fputs(text.p, stdout);
        if (demo)
            print_first_payment(up, &dev);
        (void)fflush(stdout);
    }
    up->told = true;
    mem_wipe(&dev, sizeof dev);
    buf_free(&text);
}

/* The setting becomes the address there is. */
static err_t listen_on(char setting[256], char addr[80], int *ret_fd, struct err_info *info)
{
    err_t err = sys_listen(setting, 10000, ret_fd, addr, info);
    if (!err)
        (void)snprintf(setting, 256, "%s", addr);
    return err;
}

/* --- the roles --- */
static struct role api_role(int private_fd, int public_fd)
{
    return (struct role){.id = LINK_API,
                         .command = "role-api",
                         .fd_option = {"--private-fd", "--public-fd"},
                         .fd = {private_fd, public_fd}};
}

/* The vault and the card role. create: what is missing is made. */
static err_t add_vault(struct parent *p, struct up *up, bool create, struct err_info *info)
{
    struct config *c = &up->config;
    char file[1100];
    int fd;
    if (!vault_wanted(c))
        return OK;
    err_t err = in_vault(c, "", "vault.db", file, info);
    /* The role would make an empty one, and all cards would be forgotten: a disk may be missing. */
    if (!err && !create && access(file, F_OK) != 0)
        err = error_set(info, ERR_CONFIG,
                        "there is no vault at %s: `florin vault init` makes one, `florin vault "
                        "restore` brings one back, `vault = none` goes without",
                        file);
    if (!err && create)
        err = vault_make(c, info);
    if (!err)
        err = vault_apart(c, info);
    if (!err)
        err = vault_master_fd(c, false, &p->master_fd, info);
    if (!err)
        err = vault_give(c, info);
    if (!err)
        err = listen_on(c->card, up->card, &fd, info);
    if (err)
        return err;
    p->roles[p->roles_n++] = (struct role){.id = LINK_VAULT, .command = "role-vault"};
    p->roles[p->roles_n++] = (struct role){
        .id = LINK_CARD, .command = "role-card", .fd_option = {"--card-fd"}, .fd = {fd}};
    return OK;
}

/* A word that nobody knows must not mean less than was meant. */
static err_t check_confinement(const char *word, struct err_info *reterr)
{
    static const char *const words[] = {"", "required", "best", "off"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(word, words[i]) == 0)
            return OK;
    return error_set(reterr, ERR_CONFIG, "confinement is one of required, best, off");
}

static bool prepare_parent(struct options *o, struct up *up, const char *confinement, int argc,
                           char **argv)
{
    enum log_level level;
    if (!options_read(o, argc, argv) || o->words_n ||
        !log_level_parse(str_from(o->config.log_level), &level)) {
        if (o->words_n)
            (void)fprintf(stderr, "florin: unexpected argument `%s`\n",
                          store_is_remote(o->words[0]) ? "postgres://…" : o->words[0]);
        return false;
    }
    struct err_info info = {.err = OK};
    if (http_proxies_check(o->config.proxies, &info) != OK ||
        check_confinement(o->config.confinement, &info) != OK) {
        (void)fail(&info);
        return false;
    }
    sys_harden();
    log_open(2, level);
    if (!o->config.confinement[0])
        (void)snprintf(o->config.confinement, sizeof o->config.confinement, "%s", confinement);
    up->config = o->config;
    return true;
}

static err_t make_data(struct up *up, struct err_info *info)
{
    err_t err = sys_make_dir(up->config.data, info);
    return err ? err : role_give(up->config.data, NULL, up->config.api_user, info);
}

/* The two listeners of the api role. */
static err_t add_api(struct parent *p, struct up *up, struct role *ret, struct err_info *info)
{
    int private_fd, public_fd;
    p->master_fd = -1;
    err_t err = listen_on(up->config.api, up->api, &private_fd, info);
    if (!err)
        err = listen_on(up->config.public, up->public, &public_fd, info);
    if (!err)
        *ret = api_role(private_fd, public_fd);
    return err;
}

int command_up(int argc, char **argv)
{
    static struct options o;
    static struct up up;
    struct config *c = &up.config;
    struct role api, sandbox = {.command = "role-sandbox", .fd_option = {"--listen-fd"}};
    struct err_info info = {0};
    struct parent p = {.config = c, .on_ready = up_ready, .arg = &up};
    if (!prepare_parent(&o, &up, "best", argc, argv))
        return EXIT_USAGE;
    sample_bin_table(c);
    c->provider_allow_private = true;
    c->webhook_allow_private = true; /* development: endpoints live on this machine */
    if (make_data(&up, &info) != OK || add_api(&p, &up, &api, &info) != OK ||
        add_vault(&p, &up, true, &info) != OK ||
        listen_on(c->sandbox, up.sandbox, &sandbox.fd[0], &info) != OK)
        return fail(&info);
    p.roles[p.roles_n++] = sandbox;
    p.roles[p.roles_n++] = api;
    return parent_once(c, "role-setup") ? parent_run(&p) : EXIT_FAILED;
}

int command_serve(int argc, char **argv)
{
    static struct options o;
    static struct up up;
    struct role api;
    struct err_info info = {0};
    struct parent p = {.config = &up.config, .on_ready = up_ready, .arg = &up};
    if (!prepare_parent(&o, &up, "required", argc, argv))
        return EXIT_USAGE;
    if (make_data(&up, &info) != OK || add_api(&p, &up, &api, &info) != OK ||
        add_vault(&p, &up, false, &info) != OK)
        return fail(&info);
    p.roles[p.roles_n++] = api;
    return parent_run(&p);
}
