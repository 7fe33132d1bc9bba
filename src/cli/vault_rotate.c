/* florin vault status, unseal, rotate-master, rotate-merchant: keys of the running vault. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/vault_cli.h"
#include "crypto/crypto.h"
#include "sys/token.h"

#define POLL_US 200000

/* --- status --- */
static void show_status(const struct vault_answer *a)
{
    json_t *j = json_loads(a->json.p, 0, NULL), *m;
    size_t i;
    (void)printf("%s\n", json_string_value(json_object_get(j, "state")));
    json_array_foreach(json_object_get(j, "master_keys"), i, m)(void)
        printf("master key %lld: %s, from %s%s\n",
               (long long)json_integer_value(json_object_get(m, "version")),
               json_string_value(json_object_get(m, "state")),
               json_string_value(json_object_get(m, "source")),
               json_is_true(json_object_get(m, "here")) ? "" : ", not brought");
    m = json_object_get(j, "rotation");
    if (json_is_object(m))
        (void)printf("master key %lld retires: %lld keys are still wrapped by it\n",
                     (long long)json_integer_value(json_object_get(m, "retiring_version")),
                     (long long)json_integer_value(json_object_get(m, "keys_left")));
    if (json_integer_value(json_object_get(j, "merchant_keys_retiring")) > 0)
        (void)printf("%lld keys of merchants retire\n",
                     (long long)json_integer_value(json_object_get(j, "merchant_keys_retiring")));
    m = json_object_get(j, "shares");
    if (json_is_object(m))
        (void)printf("%lld of %lld shares given\n",
                     (long long)json_integer_value(json_object_get(m, "given")),
                     (long long)json_integer_value(json_object_get(m, "needed")));
    json_decref(j);
}

int vault_status(struct vault_run *r)
{
    return vault_ask_and_show(r, VAULT_DO_STATUS, NULL, show_status);
}

/* --- shares --- */
static void show_share(const struct vault_answer *a)
{
    json_t *j = json_loads(a->json.p, 0, NULL);
    const char *state = json_string_value(json_object_get(j, "state"));
    (void)printf("%lld of %lld shares given\n",
                 (long long)json_integer_value(json_object_get(j, "given")),
                 (long long)json_integer_value(json_object_get(j, "needed")));
    if (state && vault_answer_int(a, "given") == vault_answer_int(a, "needed"))
        (void)printf("%s\n", strcmp(state, "open") == 0
                                 ? "The vault is open."
                                 : "The current master key is still missing.");
    if (json_object_get(j, "version"))
        (void)printf("Master key %lld takes over; `florin vault status` shows how far it is.\n",
                     (long long)json_integer_value(json_object_get(j, "version")));
    json_decref(j);
}

static void show_nothing(const struct vault_answer *a)
{
    (void)a;
    (void)puts("Done.");
}

static int give_share(struct vault_run *r, enum vault_command command)
{
    struct buf text, payload = BUF(4096);
    err_t err = vault_read_secret(r, "Share", &text);
    if (!err)
        link_put_str(&payload, buf_view(&text));
    int status = err ? vault_fail(r, err) : vault_ask_and_show(r, command, &payload, show_share);
    if (text.p)
        mem_wipe(text.p, text.cap);
    if (payload.p)
        mem_wipe(payload.p, payload.cap);
    buf_free(&text);
    buf_free(&payload);
    return status;
}

int vault_unseal(struct vault_run *r)
{
    if (vault_option(r, VO_FORGET))
        return vault_ask_and_show(r, VAULT_DO_FORGET_SHARES, NULL, show_nothing);
    return give_share(r, VAULT_DO_UNSEAL);
}

/* --- rotation of the master key --- */
struct rotation {
    struct vault_run *run;
    struct vault_line *line;
    enum vault_source source;
    uint8_t key[VAULT_KEY], wrapped[TOKEN_WRAPPED];
    size_t wrapped_n;
    char path[1100], next[1110]; /* of the key file, "" none */
    int64_t version;
    bool begun_before;
};

/* *ret_under_way: does an old master key still wrap something? */
static err_t ask_progress(struct rotation *o, bool *ret_under_way)
{
    struct vault_answer a;
    err_t err = vault_ask(o->run, o->line, VAULT_DO_PROGRESS, NULL, &a);
    json_t *j = err ? NULL : json_loads(a.json.p, 0, NULL);
    *ret_under_way = json_is_object(json_object_get(j, "rotation"));
    json_decref(j);
    vault_answer_free(&a);
    return err;
}

static err_t wait_until_over(struct rotation *o)
{
    bool under_way = true;
    err_t err = OK;
    while (!err && under_way) {
        err = ask_progress(o, &under_way);
        if (!err && under_way)
            usleep(POLL_US);
    }
    return err;
}

/* The new key is in a file of its own, durable, before the vault hears of it. */
static err_t new_file(struct rotation *o)
{
    struct vault_run *r = o->run;
    o->source = VAULT_FROM_FILE;
    err_t err = vault_key_path(r->config, o->path, &r->info);
    if (err)
        return err;
    (void)snprintf(o->next, sizeof o->next, "%s.new", o->path);
    return sys_key_file(o->next, true, o->key, &r->info);
}

static err_t new_from_outside(struct rotation *o)
{
    struct buf text;
    struct vault_keys keys = {.n = 0};
    o->source = VAULT_FROM_FILE;
    err_t err = vault_read_secret(o->run, "New master key (64 hex digits)", &text);
    if (!err && (!vault_keys_parse(buf_view(&text), &keys) || keys.n != 1))
        err = error_set(&o->run->info, ERR_PARAM_INVALID, "that is no key of 64 hex digits");
    if (!err)
        memcpy(o->key, keys.key[0].key, VAULT_KEY);
    mem_wipe(&keys, sizeof keys);
    if (text.p)
        mem_wipe(text.p, text.cap);
    buf_free(&text);
    return err;
}

static err_t new_in_token(struct rotation *o)
{
    struct token *token = NULL;
    struct err_info *info = &o->run->info;
    o->source = VAULT_FROM_TOKEN;
    o->wrapped_n = TOKEN_WRAPPED;
    crypto_random(o->key, sizeof o->key);
    err_t err = vault_token(o->run->config, true, &token, info);
    if (!err)
        err = token_wrap(token, o->key, o->wrapped, info);
    token_close(token);
    return err;
}

static err_t begin(struct rotation *o)
{
    struct buf payload = BUF(4096);
    struct vault_answer a;
    link_put_int(&payload, o->source);
    link_put_bytes(&payload, o->key, sizeof o->key);
    link_put_bytes(&payload, o->wrapped, o->wrapped_n);
    err_t err = vault_ask(o->run, o->line, VAULT_DO_ROTATE_MASTER, &payload, &a);
    if (!err)
        o->version = vault_answer_int(&a, "version");
    vault_answer_free(&a);
    if (payload.p)
        mem_wipe(payload.p, payload.cap);
    buf_free(&payload);
    return err;
}

static bool same_key(const char *a, const char *b)
{
    uint8_t one[VAULT_KEY], other[VAULT_KEY];
    bool same = sys_key_file(a, false, one, NULL) == OK &&
                sys_key_file(b, false, other, NULL) == OK &&
                mem_equal_ct(one, other, VAULT_KEY) == 1;
    mem_wipe(one, sizeof one);
    mem_wipe(other, sizeof other);
    return same;
}

/* The file of before stays under its version: what was backed up until now needs it. One of that
 * name may be there, of a vault that was here before. */
static err_t swap_files(struct rotation *o)
{
    char old[1140];
    (void)snprintf(old, sizeof old, "%s.%lld", o->path, (long long)o->version - 1);
    if (link(o->path, old) != 0 && errno != ENOENT && (errno != EEXIST || !same_key(o->path, old)))
        return error_set(&o->run->info, ERR_IO,
                         "%s cannot be kept as %s: when another key is there, move it away, and "
                         "run this again",
                         o->path, old);
    if (rename(o->next, o->path) != 0)
        return error_set(&o->run->info, ERR_IO, "%s cannot be renamed", o->next);
    return OK;
}

static err_t rotate(struct rotation *o, enum key_source source)
{
    bool under_way = false;
    err_t err = vault_line_open(o->run, &o->line);
    if (!err)
        err = ask_progress(o, &under_way);
    /* one with a key file can be taken up again; any other goes on by itself */
    if (!err && under_way && source != KEY_FROM_FILE)
        err = error_set(&o->run->info, ERR_STATE, "a rotation of the master key is under way");
    if (!err)
        err = source == KEY_FROM_FILE ? new_file(o)
              : source == KEY_FROM_FD ? new_from_outside(o)
                                      : new_in_token(o);
    if (!err)
        err = begin(o);
    if (!err)
        err = wait_until_over(o);
    if (!err && source == KEY_FROM_FILE)
        err = swap_files(o);
    vault_line_close(o->line);
    return err;
}

/* Nobody said where the new key is to come from, so it would be a file. Where the one of now comes
 * from elsewhere, a key on the disk is not what was meant. */
static err_t check_unsaid(struct vault_run *r)
{
    struct vault_line *l = NULL;
    struct vault_answer a = {0};
    char path[1100];
    json_t *j = NULL, *m;
    const char *source = "";
    size_t i;
    err_t err = vault_key_path(r->config, path, &r->info);
    if (!err)
        err = vault_line_open(r, &l);
    if (!err && !(err = vault_ask(r, l, VAULT_DO_PROGRESS, NULL, &a)))
        j = json_loads(a.json.p, 0, NULL);
    json_array_foreach(json_object_get(j, "master_keys"), i, m)
    {
        if (strcmp(json_string_value(json_object_get(m, "state")), "current") == 0)
            source = json_string_value(json_object_get(m, "source"));
    }
    if (!err && (strcmp(source, "file") != 0 || access(path, F_OK) != 0))
        err = error_set(&r->info, ERR_PARAM_INVALID,
                        "the master key comes from %s: say where the new one comes from, by "
                        "--vault-key or the setting `vault_key`",
                        strcmp(source, "file") == 0 ? "elsewhere than the key file" : source);
    json_decref(j);
    vault_answer_free(&a);
    vault_line_close(l);
    return err;
}

static int new_shares(struct vault_run *r)
{
    uint8_t key[VAULT_KEY];
    crypto_random(key, sizeof key);
    err_t err = vault_print_shares(r, key);
    mem_wipe(key, sizeof key);
    if (err)
        return vault_fail(r, err);
    (void)fprintf(stderr,
                  "Nothing has changed yet. Give each custodian one of these; once %s of them have "
                  "said theirs to `florin vault rotate-master`, this key takes over.\n",
                  vault_option(r, VO_THRESHOLD));
    return EXIT_DONE;
}

int vault_rotate_master_key(struct vault_run *r)
{
    struct rotation o = {.run = r};
    enum key_source source;
    bool said = r->config->vault_key[0] || vault_option(r, VO_SHARES);
    err_t err = vault_key_source(r->config, &source, &r->info);
    if (!err && !said)
        err = check_unsaid(r);
    if (err)
        return vault_fail(r, err);
    if (vault_option(r, VO_SHARES) && !r->config->vault_key[0])
        source = KEY_FROM_SHARES;
    if (vault_option(r, VO_SHARES) && source != KEY_FROM_SHARES)
        return vault_fail(r, error_set(&r->info, ERR_PARAM_INVALID,
                                       "--shares goes with --vault-key shares alone"));
    if (source == KEY_FROM_SHARES)
        return vault_option(r, VO_SHARES) ? new_shares(r) : give_share(r, VAULT_DO_ROTATE_SHARE);
    err = rotate(&o, source);
    mem_wipe(o.key, sizeof o.key);
    if (err)
        return vault_fail(r, err);
    if (r->json)
        (void)printf("{\"version\":%lld}\n", (long long)o.version);
    else
        (void)printf("Master key %lld has taken over; the one before wraps nothing any more.%s\n",
                     (long long)o.version,
                     source == KEY_FROM_FD ? " Florin's next start needs the new key." : "");
    return EXIT_DONE;
}

/* --- rotation of merchants' keys --- */
int vault_rotate_merchant_keys(struct vault_run *r)
{
    struct vault_line *l = NULL;
    int64_t merchant, after = 0, n = 0;
    bool more = true;
    err_t err = vault_merchant(r, true, &merchant);
    if (!err)
        err = vault_line_open(r, &l);
    while (!err && more) {
        struct buf payload = BUF(64);
        struct vault_answer a;
        link_put_int(&payload, merchant);
        link_put_int(&payload, after);
        err = vault_ask(r, l, VAULT_DO_ROTATE_MERCHANT, &payload, &a);
        more = a.more;
        if (!err) {
            after = vault_answer_int(&a, "after");
            n += vault_answer_int(&a, "merchants");
        }
        vault_answer_free(&a);
        buf_free(&payload);
    }
    vault_line_close(l);
    if (err)
        return vault_fail(r, err);
    if (r->json)
        (void)printf("{\"merchants\":%lld}\n", (long long)n);
    else
        (void)printf("New keys for %lld merchants. Their cards are sealed anew in the background: "
                     "`florin vault status`.\n",
                     (long long)n);
    return EXIT_DONE;
}
