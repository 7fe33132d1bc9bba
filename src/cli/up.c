/* florin up and florin serve. */
#include <stdio.h>
#include <unistd.h>

#include "cli/parent.h"
#include "observe/observe.h"
#include "wire/wire.h"

struct up {
    struct config config;
    char api[80], public[80], sandbox[80];
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
        "\"metadata\": {\"order_id\": \"ORD-1001\"}}'\n\n"
        "What the sandbox provider charged: curl -s http://%s/book\n"
        "Its control page, in a browser: http://%s/control\n"
        "Ctrl-C stops everything; the data stays in %s.\n",
        up->api, dev->secret_key, up->sandbox, up->sandbox, up->config.data);
}

static void up_ready(struct parent *p)
{
    struct up *up = p->arg;
    struct err_info info = {0};
    struct dev dev;
    struct buf text = BUF(4096);
    bool demo = p->roles[p->roles_n - 1].flag != NULL;
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

static bool listen_on(char setting[256], char addr[80], int *ret_fd)
{
    struct err_info info = {0};
    if (sys_listen(setting, 10000, ret_fd, addr, &info) != OK) {
        (void)fail(&info);
        return false;
    }
    (void)snprintf(setting, 256, "%s", addr);
    return true;
}

static struct role api_role(int private_fd, int public_fd, const char *flag)
{
    return (struct role){.command = "role-api",
                         .fd_option = {"--private-fd", "--public-fd"},
                         .fd = {private_fd, public_fd},
                         .flag = flag};
}

static bool prepare_parent(struct options *o, int argc, char **argv)
{
    enum log_level level;
    if (!options_read(o, argc, argv) || o->words_n ||
        !log_level_parse(str_from(o->config.log_level), &level)) {
        if (o->words_n)
            (void)fprintf(stderr, "florin: unexpected argument `%s`\n",
                          store_is_remote(o->words[0]) ? "postgres://…" : o->words[0]);
        return false;
    }
    sys_harden();
    log_open(2, level);
    return true;
}

int command_up(int argc, char **argv)
{
    static struct options o;
    static struct up up;
    struct err_info info = {0};
    int private_fd, public_fd, sandbox_fd;
    if (!prepare_parent(&o, argc, argv))
        return EXIT_USAGE;
    o.config.provider_allow_private = true;
    o.config.webhook_allow_private = true; /* development: endpoints live on this machine */
    if (sys_make_dir(o.config.data, &info) != OK)
        return fail(&info);
    if (!listen_on(o.config.api, up.api, &private_fd) ||
        !listen_on(o.config.public, up.public, &public_fd) ||
        !listen_on(o.config.sandbox, up.sandbox, &sandbox_fd))
        return EXIT_FAILED;
    up.config = o.config;
    struct parent p = {.config = &up.config, .on_ready = up_ready, .arg = &up};
    p.roles[p.roles_n++] = (struct role){
        .command = "role-sandbox", .fd_option = {"--listen-fd", NULL}, .fd = {sandbox_fd, -1}};
    p.roles[p.roles_n++] = api_role(private_fd, public_fd, "--dev");
    return parent_run(&p);
}

int command_serve(int argc, char **argv)
{
    static struct options o;
    static struct up up;
    int private_fd, public_fd;
    if (!prepare_parent(&o, argc, argv))
        return EXIT_USAGE;
    if (!listen_on(o.config.api, up.api, &private_fd) ||
        !listen_on(o.config.public, up.public, &public_fd))
        return EXIT_FAILED;
    up.config = o.config;
    struct parent p = {.config = &up.config, .on_ready = up_ready, .arg = &up};
    p.roles[p.roles_n++] = api_role(private_fd, public_fd, NULL);
    return parent_run(&p);
}
