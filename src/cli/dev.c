/* The demo merchant of `florin up`. Its test keys are kept readable in dev.json (0600), so that
 * they stay the same. */
#include <stdio.h>
#include <unistd.h>

#include "card/permit.h"
#include "cli/cli_internal.h"
#include "wire/wire.h"

static bool dev_path(const struct config *c, char out[1024])
{
    return snprintf(out, 1024, "%s/dev.json", c->data) < 1024;
}

static void take(char *out, size_t max, json_t *object, const char *key)
{
    const char *v = json_string_value(json_object_get(object, key));
    (void)snprintf(out, max, "%s", v ? v : "");
}

err_t dev_read(const struct config *c, struct dev *ret, struct err_info *reterr)
{
    char path[1024];
    struct buf text = BUF(4096);
    json_t *json = NULL;
    struct json_limits limits = {4096, 4};
    *ret = (struct dev){.merchant = ""};
    err_t err = dev_path(c, path) ? sys_read_file(path, 4096, &text, reterr) : ERR_CONFIG;
    if (!err)
        err = json_read(buf_view(&text), &limits, &json, reterr);
    if (!err) {
        take(ret->merchant, sizeof ret->merchant, json, "merchant_id");
        take(ret->secret_key, sizeof ret->secret_key, json, "secret_key");
        take(ret->publishable_key, sizeof ret->publishable_key, json, "publishable_key");
    }
    json_decref(json);
    buf_free(&text);
    return err;
}

static err_t dev_write(const struct config *c, const struct dev *dev, struct err_info *reterr)
{
    char path[1024];
    struct buf text = BUF(4096);
    struct jw w = {.b = &text};
    jw_object(&w, NULL);
    jw_str(&w, "merchant_id", str_from(dev->merchant));
    jw_str(&w, "secret_key", str_from(dev->secret_key));
    jw_str(&w, "publishable_key", str_from(dev->publishable_key));
    jw_object_end(&w);
    err_t err = dev_path(c, path) ? sys_write_file(path, text.p, text.n, 0600, reterr) : ERR_CONFIG;
    buf_free(&text);
    return err;
}

struct preparing {
    struct dev *dev;
    struct det det;
    const uint8_t *key, *permit; /* permit NULL: no cards */
    char credentials[512];
    const char *sandbox;
    bool new_keys; /* those of the data folder are not in the store yet */
};

static err_t add_keys(struct store_tx *tx, struct det *det, const struct dev *dev, int64_t merchant)
{
    struct id id;
    err_t err = key_create(tx, det, merchant, KEY_SECRET, dev->secret_key, STR("florin up"), &id);
    return err ? err
               : key_create(tx, det, merchant, KEY_PUBLISHABLE, dev->publishable_key,
                            STR("florin up"), &id);
}

/* Cards of the demo merchant may go to the sandbox, where its connector puts them. */
static err_t permit(struct store_tx *tx, const struct preparing *p, int64_t merchant,
                    struct id account)
{
    static const struct permit_terms terms = {.member = {{"card.number", 11}, {"card.cvc", 8}},
                                              .members_n = 2};
    char url[300], text[PERMIT_TEXT_MAX];
    (void)snprintf(url, sizeof url, "http://%s", p->sandbox);
    if (!p->permit || !permit_sign(p->permit, merchant, str_from(url), &terms, text))
        return p->permit ? ERR_CONFIG : OK;
    return account_set_permit(tx, p->det.now_us, merchant, account, str_from(text));
}

/* Repeatable: what is there is left, but for the sandbox's address. */
static err_t prepare(struct store_tx *tx, void *arg)
{
    struct preparing *p = arg;
    struct det det = p->det;
    int64_t merchant;
    struct id public_id, id;
    bool found = false;
    err_t err = store_lock(tx, 0); /* another node may be starting too */
    if (!err)
        err = merchant_find(tx, (struct id){{0}}, &merchant, &public_id);
    if (err == ERR_NOT_FOUND && p->dev->merchant[0] &&
        id_parse(ID_MERCHANT, str_from(p->dev->merchant), &public_id))
        err = merchant_find(tx, public_id, &merchant, &public_id);
    if (err == ERR_NOT_FOUND) {
        err = merchant_create(tx, &det, STR("Demo merchant"), &merchant, &public_id);
        p->new_keys = true;
    }
    if (!err && p->new_keys)
        err = add_keys(tx, &det, p->dev, merchant);
    if (err)
        return err;
    id_text(ID_MERCHANT, public_id, p->dev->merchant);
    err = account_update(tx, det.now_us, p->key, merchant, STR("sandbox"), str_from(p->credentials),
                         &id, &found);
    if (!err && !found)
        err = account_create(tx, &det, p->key, merchant, STR("sandbox"), 100,
                             str_from(p->credentials), &id);
    return err ? err : permit(tx, p, merchant, id);
}

err_t dev_prepare(const struct config *c, struct store *store, const uint8_t account_key[32],
                  const uint8_t *permit_key, struct err_info *reterr)
{
    char path[1024];
    struct dev dev = {.merchant = ""};
    err_t err = OK;
    if (!dev_path(c, path))
        return error_set(reterr, ERR_CONFIG, "the data folder's name is too long");
    bool new_keys = access(path, F_OK) != 0; /* of a data folder beside a store that has others */
    if (!new_keys) {
        err = dev_read(c, &dev, reterr);
    } else {
        /* The keys are on disk before their hashes are in the store: a crash between leaves no
         * merchant without a known key. */
        key_generate(KEY_SECRET, false, dev.secret_key);
        key_generate(KEY_PUBLISHABLE, false, dev.publishable_key);
        err = dev_write(c, &dev, reterr);
    }
    if (err)
        return err;
    struct preparing p = {.dev = &dev,
                          .det = sys_det(),
                          .key = account_key,
                          .permit = permit_key,
                          .sandbox = c->sandbox,
                          .new_keys = new_keys};
    (void)snprintf(p.credentials, sizeof p.credentials,
                   "{\"base_url\":\"http://%s\",\"api_key\":\"sandbox\"}", c->sandbox);
    err = store_write(store, 0, prepare, &p);
    if (err)
        return error_set(reterr, err, "the demo merchant could not be made: %s",
                         error_def(err)->title);
    return dev_write(c, &dev, reterr);
}
