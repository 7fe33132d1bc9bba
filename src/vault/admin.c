/* Operators: their connections, their commands, copies of the vault's file. */
#include "vault/admin_internal.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "observe/observe.h"

#define BACKUP_PAGES 64 /* a piece of a copy: 256 KiB */
#define DATA_MAX ((size_t)64 << 10)
#define JSON_MAX ((size_t)32 << 10)

static const struct id none = {{0}};

static err_t order_backup(struct order *o);

static const struct command {
    enum vault_command command;
    const char *name;
    err_t (*run)(struct order *o);
    bool unrecorded;
} commands[] = {
    {VAULT_DO_STATUS, "status", order_status, false},
    {VAULT_DO_PROGRESS, "progress", order_status, true},
    {VAULT_DO_UNSEAL, "unseal", order_unseal, false},
    {VAULT_DO_FORGET_SHARES, "forget_shares", order_forget_shares, false},
    {VAULT_DO_ROTATE_MERCHANT, "rotate_merchant", order_rotate_merchant, false},
    {VAULT_DO_ROTATE_MASTER, "rotate_master", order_rotate_master, false},
    {VAULT_DO_ROTATE_SHARE, "rotate_share", order_rotate_share, false},
    {VAULT_DO_IDENTITY, "identity", order_identity, false},
    {VAULT_DO_EXPORT, "export", order_export, false},
    {VAULT_DO_IMPORT, "import", order_import, false},
    {VAULT_DO_BACKUP, "backup", order_backup, false},
    {VAULT_DO_DELETE, "delete", order_delete, false},
    {VAULT_DO_AUDIT, "audit", order_audit, true}, /* its first page is, by itself */
};

/* --- the record --- */
struct note {
    const struct vault_admin *a;
    enum vault_action action;
    char detail[128];
};

static err_t write_note(struct store_tx *tx, void *arg)
{
    const struct note *n = arg;
    return vault_audit(tx, n->a->now_us, n->action, 0, none, n->detail);
}

static err_t record(struct vault_admin *a, enum vault_action action, const char *what, int64_t uid)
{
    struct note n = {.a = a, .action = action};
    (void)snprintf(n.detail, sizeof n.detail, "%s by uid %lld", what, (long long)uid);
    return store_write(a->config.store, 0, write_note, &n);
}

void vault_admin_refused(struct vault_admin *a, int64_t uid)
{
    LOG(LOG_WARN, "vault.operator_refused", LOG_INT("uid", uid));
    if (record(a, VAULT_REFUSED, "connection", uid) != OK)
        LOG(LOG_ERROR, "vault.not_recorded", LOG_INT("uid", uid));
}

/* --- the masters that the parent keeps --- */
static uint64_t open_masters(const struct vault *v)
{
    uint64_t sum = 0;
    for (int i = 0; i < MASTERS_MAX; i++)
        sum += (uint64_t)v->open->masters[i].version * (uint64_t)v->open->masters[i].version;
    return sum;
}

bool admin_keep(struct vault_admin *a, const uint8_t *fresh, enum vault_source source)
{
    struct vault_keys keys;
    vault_keys_open(a->config.vault, &keys);
    if (fresh)
        vault_keys_add(&keys, fresh, source);
    bool kept = keys.n == 0 || a->config.keep(&keys, a->config.arg);
    if (!kept)
        LOG(LOG_ERROR, "vault.keys_not_kept", LOG_INT("keys", keys.n));
    mem_wipe(&keys, sizeof keys);
    a->kept = fresh ? 0 : open_masters(a->config.vault);
    return kept;
}

/* --- orders --- */
err_t order_refuse(struct order *o, err_t err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(o->detail, sizeof o->detail, fmt, ap);
    va_end(ap);
    return err;
}

err_t order_write(struct order *o, err_t (*run)(struct store_tx *, void *))
{
    return store_write(o->a->config.store, 0, run, o);
}

/* Without memory: an operator must not wait for ever. */
static void reply_briefly(const struct operator* by, uint64_t call)
{
    char bytes[128];
    struct buf out = BUF_ON(bytes);
    link_put_int(&out, ERR_NO_MEMORY);
    link_put_str(&out, STR("The vault is short of memory."));
    link_put_str(&out, STR(""));
    link_put_str(&out, STR(""));
    link_put_int(&out, 0);
    (void)link_send(by->link, LINK_ADMIN_IS, call, buf_view(&out), -1);
}

static void reply(const struct operator* by, uint64_t call, err_t err, struct order *o, int fd)
{
    struct buf out = BUF(LINK_PAYLOAD_MAX);
    if (err && !o->detail[0])
        (void)order_refuse(o, err, "%s",
                           err == ERR_UNAVAILABLE ? "The vault is sealed: its key was not brought."
                                                  : error_def(err)->title);
    link_put_int(&out, err);
    link_put_str(&out, str_from(o->detail));
    link_put_str(&out, buf_view(&o->json));
    link_put_str(&out, err ? (struct str){NULL, 0} : buf_view(&o->data));
    link_put_int(&out, o->more);
    if (out.failed)
        reply_briefly(by, call);
    else
        (void)link_send(by->link, LINK_ADMIN_IS, call, buf_view(&out), fd);
    buf_free(&out);
}

static const struct command *find(int64_t number)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if ((int64_t)commands[i].command == number)
            return &commands[i];
    return NULL;
}

static err_t carry_out(struct order *o, const struct command *c)
{
    err_t err = c->unrecorded ? OK : record(o->a, VAULT_ASKED, c->name, o->by->uid);
    if (err)
        return order_refuse(o, err, "It could not be recorded, and was not done.");
    jw_object(&o->w, NULL);
    err = c->run(o);
    jw_object_end(&o->w);
    if (!err && (o->json.failed || o->data.failed))
        err = ERR_NO_MEMORY;
    if (err && err != ERR_BAD_REQUEST && !c->unrecorded &&
        record(o->a, VAULT_REFUSED, c->name, o->by->uid) != OK)
        LOG(LOG_ERROR, "vault.not_recorded", LOG_INT("uid", o->by->uid));
    return err;
}

static bool request(struct link *l, const struct link_frame *f, void *arg)
{
    struct operator* by = arg;
    struct order o = {.a = by->admin,
                      .by = by,
                      .in = {.rest = f->payload},
                      .json = BUF(JSON_MAX),
                      .data = BUF(DATA_MAX),
                      .call = f->call};
    (void)l;
    if (f->fd >= 0)
        close(f->fd);
    o.w.b = &o.json;
    const struct command *c = find(link_take_int(&o.in));
    err_t err = c ? carry_out(&o, c) : ERR_BAD_REQUEST;
    if (err != ERR_BAD_REQUEST && !o.later)
        reply(by, f->call, err, &o, -1);
    if (o.data.p)
        mem_wipe(o.data.p, o.data.n);
    buf_free(&o.json);
    buf_free(&o.data);
    return err != ERR_BAD_REQUEST;
}

/* --- a copy of the file: made beside it, handed over open, and no name left --- */
static err_t order_backup(struct order *o)
{
    struct vault_admin *a = o->a;
    struct err_info info = {0};
    char from[1100];
    ORDER_TAKEN(o);
    if (a->backup)
        return order_refuse(o, ERR_STATE, "A backup is under way already.");
    (void)snprintf(from, sizeof from, "%s/vault.db", a->config.dir);
    (void)unlink(a->backup_path);
    err_t err = store_backup_begin(from, a->backup_path, &a->backup, &info);
    if (err)
        return order_refuse(o, err, "%.190s", info.detail);
    o->by->backup_call = o->call;
    o->later = true;
    return OK;
}

static struct operator* who_waits(struct vault_admin *a)
{
    for (int i = 0; i < VAULT_OPERATORS; i++)
        if (a->operator[i].link && a->operator[i].backup_call)
            return &a->operator[i];
    return NULL;
}

static void end_backup(struct vault_admin *a, err_t err)
{
    struct operator* by = who_waits(a);
    struct order o = {.a = a, .by = by};
    store_backup_end(a->backup);
    a->backup = NULL;
    int fd = err ? -1 : open(a->backup_path, O_RDONLY | O_CLOEXEC);
    (void)unlink(a->backup_path);
    if (!err && fd < 0)
        err = ERR_IO;
    if (!err && by)
        err = record(a, VAULT_BACKED_UP, "backup", by->uid);
    if (by) {
        reply(by, by->backup_call, err, &o, err ? -1 : fd);
        by->backup_call = 0;
    }
    if (fd >= 0)
        close(fd);
}

static void go_on_with_backup(struct vault_admin *a)
{
    bool more = false;
    if (!a->backup)
        return;
    if (!who_waits(a)) { /* nobody wants it any more */
        end_backup(a, ERR_STATE);
        return;
    }
    err_t err = store_backup_step(a->backup, BACKUP_PAGES, &more);
    if (err || !more)
        end_backup(a, err);
}

/* --- connections --- */
static void leave(struct operator* by)
{
    link_close(by->link);
    *by = (struct operator){.admin = by->admin};
}

bool vault_admin_join(struct vault_admin *a, int fd, int64_t uid)
{
    for (int i = 0; i < VAULT_OPERATORS; i++) {
        struct operator* by = & a->operator[i];
        struct link_config c = {
            .fd = fd, .self = LINK_VAULT, .peer = LINK_OPERATOR, .request = request, .arg = by};
        if (by->link)
            continue;
        by->admin = a;
        by->uid = uid;
        return link_open(&c, &by->link) == OK;
    }
    close(fd);
    return false;
}

int vault_admin_fds(const struct vault_admin *a, int fds[VAULT_OPERATORS])
{
    int n = 0;
    for (int i = 0; i < VAULT_OPERATORS; i++)
        if (a->operator[i].link)
            fds[n++] = link_fd(a->operator[i].link);
    return n;
}

int vault_admin_turn(struct vault_admin *a, int64_t now_us)
{
    a->now_us = now_us;
    for (int i = 0; i < VAULT_OPERATORS; i++)
        if (a->operator[i].link && !link_step(a->operator[i].link, 1))
            leave(&a->operator[i]);
    go_on_with_backup(a);
    if (open_masters(a->config.vault) != a->kept)
        (void)admin_keep(a, NULL, VAULT_FROM_FILE);
    return a->backup ? 0 : -1;
}

err_t vault_admin_new(const struct vault_admin_config *config, struct vault_admin **ret)
{
    struct vault_admin *a = mem_alloc(sizeof *a);
    err_t err = a ? shares_new(&a->shares) : ERR_NO_MEMORY;
    if (err) {
        mem_free(a);
        return err;
    }
    a->config = *config;
    (void)snprintf(a->backup_path, sizeof a->backup_path, "%s/backup.tmp", config->dir);
    (void)unlink(a->backup_path); /* of one that was broken off */
    *ret = a;
    return OK;
}

void vault_admin_free(struct vault_admin *a)
{
    if (!a)
        return;
    for (int i = 0; i < VAULT_OPERATORS; i++)
        if (a->operator[i].link)
            leave(&a->operator[i]);
    if (a->backup)
        end_backup(a, ERR_STATE);
    shares_free(a->shares);
    mem_free(a);
}
