/* florin keys create|list|revoke. Works beside a running server: the store takes turns. */
#include <stdio.h>

#include "cli/cli_internal.h"
#include "wire/wire.h"

struct keys_command {
    const char *merchant, *new_merchant;
    enum key_kind kind;
    bool live;
    char text[KEY_TEXT_MAX];
    struct str name;
    struct det det;
    struct id key_id, public_id;
    struct buf out;
    struct err_info info;
};

static err_t find_merchant(struct store_tx *tx, struct keys_command *k, struct det *det,
                           int64_t *ret)
{
    struct id wanted = {{0}};
    if (k->new_merchant)
        return merchant_create(tx, det, str_from(k->new_merchant), ret, &k->public_id);
    if (k->merchant && !id_parse(ID_MERCHANT, str_from(k->merchant), &wanted))
        return error_set(&k->info, ERR_NOT_FOUND, "`%s` is no merchant id (mer_…)", k->merchant);
    err_t err = merchant_find(tx, wanted, ret, &k->public_id);
    if (err == ERR_NOT_FOUND)
        return error_set(&k->info, err,
                         k->merchant ? "there is no such merchant"
                                     : "say which merchant with --merchant mer_… (the id that "
                                       "`keys create --new-merchant` told)");
    return err;
}

static err_t create(struct store_tx *tx, void *arg)
{
    struct keys_command *k = arg;
    struct det det = k->det;
    int64_t merchant;
    err_t err = find_merchant(tx, k, &det, &merchant);
    if (err)
        return err;
    return key_create(tx, &det, merchant + (k->live ? 1 : 0), k->kind, k->text, k->name,
                      &k->key_id);
}

static err_t list(struct store_tx *tx, void *arg)
{
    struct keys_command *k = arg;
    struct jw w = {.b = &k->out};
    int64_t merchant;
    err_t err = find_merchant(tx, k, NULL, &merchant);
    if (err)
        return err;
    jw_object(&w, NULL);
    jw_id(&w, "merchant_id", ID_MERCHANT, k->public_id);
    err = key_list(tx, merchant, &w, "data");
    jw_object_end(&w);
    return err;
}

static err_t revoke_key(struct store_tx *tx, void *arg)
{
    struct keys_command *k = arg;
    err_t err = key_revoke(tx, k->det.now_us, k->key_id);
    return err == ERR_NOT_FOUND ? error_set(&k->info, err, "there is no valid key of that id")
                                : err;
}

static void print_created(struct keys_command *k)
{
    struct jw w = {.b = &k->out};
    jw_object(&w, NULL);
    jw_id(&w, "id", ID_KEY, k->key_id);
    jw_id(&w, "merchant_id", ID_MERCHANT, k->public_id);
    jw_str(&w, "kind", k->kind == KEY_SECRET ? STR("secret") : STR("publishable"));
    jw_str(&w, "mode", k->live ? STR("live") : STR("test"));
    jw_str(&w, "key", str_from(k->text));
    jw_object_end(&w);
}

static int usage(void)
{
    (void)fprintf(stderr,
                  "florin: usage: florin keys create|list|revoke KEY_ID; see florin keys --help\n");
    return EXIT_USAGE;
}

int command_keys(int argc, char **argv)
{
    struct option own[] = {{"merchant", true, NULL}, {"new-merchant", true, NULL},
                           {"kind", true, NULL},     {"live", false, NULL},
                           {"name", true, NULL},     {"json", false, NULL}};
    static struct options o;
    struct keys_command k = {.kind = KEY_SECRET, .out = BUF((size_t)1 << 20)};
    struct store *store;
    o = (struct options){.own = own, .own_n = COUNT_OF(own)};
    if (!options_read(&o, argc, argv) || o.words_n < 1)
        return usage();
    bool creating = strcmp(o.words[0], "create") == 0, listing = strcmp(o.words[0], "list") == 0;
    bool revoking = strcmp(o.words[0], "revoke") == 0 && o.words_n == 2 &&
                    id_parse(ID_KEY, str_from(o.words[1]), &k.key_id);
    const char *kind = own[2].value;
    if (!(creating || listing || revoking) ||
        (kind && strcmp(kind, "secret") && strcmp(kind, "publishable")))
        return usage();
    k.merchant = own[0].value;
    k.new_merchant = creating ? own[1].value : NULL;
    k.kind = kind && kind[0] == 'p' ? KEY_PUBLISHABLE : KEY_SECRET;
    k.live = own[3].value != NULL;
    k.name = str_from(own[4].value ? own[4].value : "");
    k.det = sys_det();
    key_generate(k.kind, k.live, k.text);
    if (!open_store(&o.config, false, &store))
        return EXIT_FAILED;
    err_t err = listing ? store_read(store, list, &k)
                        : store_write(store, 0, creating ? create : revoke_key, &k);
    store_close(store);
    if (err) {
        k.info.err = err;
        return fail(&k.info);
    }
    if (creating)
        print_created(&k);
    if (creating && !own[5].value) {
        char id[ID_TEXT_MAX];
        id_text(ID_MERCHANT, k.public_id, id);
        (void)fprintf(stderr, "A key of merchant %s:\n", id);
        (void)printf("%s\n", k.text); /* alone, so that it can be caught by a script */
    }
    if (!revoking && k.out.p && (!creating || own[5].value))
        (void)printf("%s\n", k.out.p);
    mem_wipe(k.text, sizeof k.text);
    if (k.out.p)
        mem_wipe(k.out.p, k.out.n);
    buf_free(&k.out);
    return EXIT_DONE;
}
