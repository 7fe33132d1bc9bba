/* florin permit sign|show|revoke: where a provider account's requests with cards may go. */
#include <stdio.h>

#include "card/permit.h"
#include "cli/cli_internal.h"
#include "wire/wire.h"

#define PERMITS_MAX ((size_t)4096)

struct permit_command {
    const struct config *config;
    const char *account, *merchant, *host, *key_file, *one;
    char serial[PERMIT_ID_MAX];
    bool live, json;
    struct permit_terms terms;
    struct id account_id;
    int64_t merchant_id, now_us;
    char line[PERMIT_TEXT_MAX];
    struct buf lines;
    struct err_info info;
};

/* --- the account's row --- */
static err_t find_account(struct store_tx *tx, struct permit_command *p, int64_t *ret_number)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_API_FIND_ACCOUNT, &row, V_ID(&p->account_id));
    if (err)
        return err;
    if (!row)
        return error_set(&p->info, ERR_NOT_FOUND, "there is no such provider account");
    p->merchant_id = row_int(row, 0);
    *ret_number = row_int(row, 1);
    return OK;
}

static err_t read_lines(struct store_tx *tx, struct permit_command *p)
{
    struct store_row *row;
    int64_t number;
    err_t err = find_account(tx, p, &number);
    if (!err)
        err = store_one(tx, SQL_API_READ_ACCOUNT, &row, V_INT(p->merchant_id), V_INT(number));
    buf_clear(&p->lines); /* it may be repeated */
    if (!err && row)
        buf_add(&p->lines, row_text(row, 3).p ? row_text(row, 3).p : "", row_text(row, 3).n);
    return err;
}

static err_t show(struct store_tx *tx, void *arg)
{
    return read_lines(tx, arg);
}

static err_t add(struct store_tx *tx, void *arg)
{
    struct permit_command *p = arg;
    err_t err = read_lines(tx, p);
    if (err)
        return err;
    if (p->lines.n > 0 && p->lines.p[p->lines.n - 1] != '\n')
        buf_byte(&p->lines, '\n');
    buf_str(&p->lines, p->line);
    buf_byte(&p->lines, '\n');
    if (p->lines.failed)
        return error_set(&p->info, ERR_TOO_LARGE, "this account has too many permits");
    return account_set_permit(tx, p->now_us, p->merchant_id, p->account_id, buf_view(&p->lines));
}

/* --- taking back --- */
/* In the list, and only then out of the account: what somebody has kept of it is good for nothing.
 */
static err_t revoke_line(struct permit_command *p, struct str line)
{
    struct permit t;
    if (!permit_read(line, &t))
        return error_set(&p->info, ERR_PARAM_INVALID, "--line is no permit: give it as a whole");
    err_t err = permit_list_add(p->config, t.id, &p->info);
    if (!err && !p->json)
        (void)printf("%s\n", t.id);
    return err;
}

static err_t revoke_all(struct permit_command *p)
{
    struct permit t;
    bool none = true;
    err_t err = OK;
    for (struct str rest = buf_view(&p->lines); !err && rest.n;) {
        struct str line = str_cut(&rest, '\n');
        if (permit_read(line, &t)) /* what is none needs no revocation */
            err = revoke_line(p, line), none = false;
    }
    if (!err && none) /* what is not in the store may be good all the same */
        err = error_set(&p->info, ERR_NOT_FOUND,
                        "the account has no permit in the store; one that somebody has kept is "
                        "taken back by --line, all by a new permit key");
    return err;
}

/* Takes the lines out that were taken back; what came meanwhile stays. */
static err_t drop(struct store_tx *tx, void *arg)
{
    struct permit_command *p = arg;
    struct buf gone = BUF(PERMITS_MAX), left = BUF(PERMITS_MAX);
    buf_add(&gone, p->lines.p ? p->lines.p : "", p->lines.n);
    err_t err = read_lines(tx, p);
    for (struct str rest = buf_view(&p->lines); !err && rest.n;) {
        struct str line = str_cut(&rest, '\n'), was = buf_view(&gone);
        bool found = false;
        while (was.n && !found)
            found = str_eq(str_cut(&was, '\n'), line);
        if (!found)
            buf_add(&left, line.p, line.n), buf_byte(&left, '\n');
    }
    if (!err)
        err = gone.failed || left.failed ? ERR_NO_MEMORY
                                         : account_set_permit(tx, p->now_us, p->merchant_id,
                                                              p->account_id, buf_view(&left));
    buf_clear(&p->lines); /* as it was, if this is repeated */
    buf_add(&p->lines, gone.p ? gone.p : "", gone.n);
    buf_free(&gone);
    buf_free(&left);
    return err;
}

/* --- whose it is --- */
static err_t find_owner(struct store_tx *tx, void *arg)
{
    struct permit_command *p = arg;
    struct id wanted, found;
    int64_t number;
    if (p->account)
        return find_account(tx, p, &number);
    if (!id_parse(ID_MERCHANT, str_from(p->merchant), &wanted))
        return error_set(&p->info, ERR_NOT_FOUND, "that is no merchant id (mer_…)");
    err_t err = merchant_find(tx, wanted, &p->merchant_id, &found);
    p->merchant_id += p->live ? 1 : 0;
    return err ? error_set(&p->info, err, "there is no such merchant") : OK;
}

/* Cards would cross a network that anybody may listen to. Source: PCI DSS 4.2.1. */
static bool in_clear(const struct permit_command *p)
{
    struct url url;
    return url_parse(str_from(p->host), &url) && str_eq_nocase(url.scheme, STR("http")) &&
           !str_eq(url.host, STR("127.0.0.1")) && !str_eq(url.host, STR("::1")) &&
           !str_eq(url.host, STR("localhost")) && !p->config->provider_allow_private;
}

/* What the operator says beside the host, one thing wrong at a time. */
static err_t check_terms(struct permit_command *p)
{
    const struct permit_terms *t = &p->terms;
    int64_t end_us = INT64_MAX;
    if (t->until.p && !permit_day(t->until, &end_us))
        return error_set(&p->info, ERR_PARAM_INVALID, "--until is a day, like 2027-11-30");
    if (end_us <= p->now_us)
        return error_set(&p->info, ERR_PARAM_INVALID, "--until is over already");
    if (t->members_n > PERMIT_MEMBERS_MAX)
        return error_set(&p->info, ERR_PARAM_INVALID, "there are more than %d --member",
                         PERMIT_MEMBERS_MAX);
    for (size_t i = 0; i < t->members_n; i++) {
        if (!permit_member(t->member[i]))
            return error_set(&p->info, ERR_PARAM_INVALID,
                             "--member is names of objects, like card.number, or the name of a "
                             "form's field, like card[number], of up to %d characters",
                             PERMIT_MEMBER_MAX);
        for (size_t j = 0; j < i; j++)
            if (str_eq(t->member[i], t->member[j]))
                return error_set(&p->info, ERR_PARAM_INVALID, "--member %.64s is there twice",
                                 t->member[i].p);
    }
    return OK;
}

static err_t sign(struct permit_command *p)
{
    uint8_t key[32], chance[8];
    struct buf serial = BUF_ON(p->serial);
    err_t err = check_terms(p);
    if (err)
        return err;
    sys_random(chance, sizeof chance);
    buf_hex(&serial, chance, sizeof chance); /* one that was taken back is not made again */
    p->terms.serial = buf_view(&serial);
    if (in_clear(p))
        return error_set(&p->info, ERR_PARAM_INVALID,
                         "cards do not go out without TLS: say https, or, for tests in a network "
                         "of your own, provider_allow_private = true");
    err = p->key_file ? sys_key_file(p->key_file, false, key, &p->info)
                      : permit_private(p->config, false, key, &p->info);
    if (!err && !permit_sign(key, p->merchant_id, str_from(p->host), &p->terms, p->line))
        err = error_set(&p->info, ERR_PARAM_INVALID,
                        "that is no address of http or https, or all of it is too long");
    mem_wipe(key, sizeof key);
    return err;
}

/* --- what is told --- */
static void tell_json(const struct permit_command *p, struct str line, struct jw *w)
{
    struct permit t;
    if (!permit_read(line, &t))
        return;
    jw_object(w, NULL);
    jw_str(w, "id", str_from(t.id));
    jw_int(w, "merchant", t.merchant_id);
    jw_str(w, "host", t.origin);
    jw_str(w, "until", t.terms.until.n ? t.terms.until : (struct str){NULL, 0});
    jw_bool(w, "over", p->now_us >= t.end_us);
    jw_array(w, "members");
    for (size_t i = 0; i < t.terms.members_n; i++)
        jw_str(w, NULL, t.terms.member[i]);
    jw_array_end(w);
    jw_object_end(w);
}

static void print_json(const struct permit_command *p, struct str lines)
{
    struct buf out = BUF(32768);
    struct jw w = {.b = &out};
    jw_object(&w, NULL);
    struct permit first;
    struct str rest = lines;
    bool known = p->merchant_id == 0 && lines.n && permit_read(str_cut(&rest, '\n'), &first);
    jw_int(&w, "merchant", known ? first.merchant_id : p->merchant_id);
    jw_str(&w, "permit", lines.p ? lines : STR(""));
    jw_array(&w, "permits");
    while (lines.n)
        tell_json(p, str_cut(&lines, '\n'), &w);
    jw_array_end(&w);
    jw_object_end(&w);
    (void)printf("%s\n", out.p);
    buf_free(&out);
}

/* The line, and below it what it says of its end. */
static void print_line(const struct permit_command *p, struct str line)
{
    struct permit t;
    (void)printf(STR_FMT "\n", STR_ARG(line));
    if (!permit_read(line, &t))
        (void)printf("    is no permit\n");
    else if (t.terms.until.n)
        (void)printf("    %s " STR_FMT "\n",
                     p->now_us >= t.end_us ? "over since the end of" : "until",
                     STR_ARG(t.terms.until));
}

static int finish(struct permit_command *p, err_t err, bool shows)
{
    struct str lines = shows ? buf_view(&p->lines) : str_from(p->line);
    p->info.err = err;
    if (!err && p->json)
        print_json(p, lines);
    else if (!err && !shows)
        (void)printf("%s\n", p->line);
    while (!err && !p->json && shows && lines.n)
        print_line(p, str_cut(&lines, '\n'));
    buf_free(&p->lines);
    return err ? fail(&p->info) : EXIT_DONE;
}

/* Ids were printed one by one, as they were taken back. */
static int told(struct permit_command *p, err_t err, struct str lines)
{
    p->info.err = err;
    if (!err && p->json)
        print_json(p, lines);
    buf_free(&p->lines);
    return err ? fail(&p->info) : EXIT_DONE;
}

static int take_back(struct permit_command *p)
{
    struct store *store = NULL;
    err_t err = OK;
    if (p->one) {
        err = revoke_line(p, str_from(p->one));
        return told(p, err, str_from(p->one));
    }
    if (!open_store(p->config, false, &store))
        return EXIT_FAILED;
    err = store_read(store, show, p);
    if (!err)
        err = revoke_all(p);
    if (!err)
        err = store_write(store, p->merchant_id, drop, p);
    store_close(store);
    return told(p, err, buf_view(&p->lines));
}

static int usage(void)
{
    (void)fputs("florin: usage: florin permit sign --host https://… [--key FILE] --account pac_…\n"
                "       florin permit sign --host https://… [--key FILE] --merchant mer_…|NUMBER "
                "[--live]   prints it alone\n"
                "           [--until 2027-11-30] [--member card.number]…   its last day; where "
                "alone number and CVC may stand\n"
                "       florin permit show --account pac_… [--json]\n"
                "       florin permit revoke --account pac_… | --line \"florin-permit-1 …\" "
                "[--json]   prints the ids that are taken back\n",
                stderr);
    return EXIT_USAGE;
}

#define OWN 8 /* options, before those that may be repeated */
#define OWN_ALL (OWN + PERMIT_MEMBERS_MAX + 1)

static void take_options(struct permit_command *p, const struct config *config,
                         const struct option *own)
{
    *p = (struct permit_command){.config = config,
                                 .account = own[0].value,
                                 .merchant = own[1].value,
                                 .host = own[2].value,
                                 .key_file = own[3].value,
                                 .live = own[4].value != NULL,
                                 .json = own[5].value != NULL,
                                 .terms.until = str_from(own[6].value),
                                 .one = own[7].value,
                                 .now_us = sys_now_us(),
                                 .lines = BUF(PERMITS_MAX)};
    for (size_t i = OWN; i < OWN_ALL && own[i].value; i++)
        if (i - OWN < PERMIT_MEMBERS_MAX)
            p->terms.member[p->terms.members_n++] = str_from(own[i].value);
        else
            p->terms.members_n++; /* too many: check_terms */
}

int command_permit(int argc, char **argv)
{
    struct option own[OWN_ALL] = {{"account", true, NULL}, {"merchant", true, NULL},
                                  {"host", true, NULL},    {"key", true, NULL},
                                  {"live", false, NULL},   {"json", false, NULL},
                                  {"until", true, NULL},   {"line", true, NULL}};
    static struct options o;
    static struct permit_command p;
    struct store *store = NULL;
    for (size_t i = OWN; i < OWN_ALL; i++)
        own[i] = (struct option){"member", true, NULL};
    o = (struct options){.own = own, .own_n = COUNT_OF(own)};
    if (!options_read(&o, argc, argv) || o.words_n != 1)
        return usage();
    take_options(&p, &o.config, own);
    bool shows = strcmp(o.words[0], "show") == 0, revokes = strcmp(o.words[0], "revoke") == 0;
    if (revokes ? !p.account == !p.one : p.one != NULL)
        return usage();
    if (!revokes && ((!shows && strcmp(o.words[0], "sign") != 0) || (shows && !p.account) ||
                     (!shows && (!p.host || (!p.account && !p.merchant)))))
        return usage();
    if (p.account && !id_parse(ID_PROVIDER_ACCOUNT, str_from(p.account), &p.account_id))
        return finish(&p, error_set(&p.info, ERR_NOT_FOUND, "that is no account (pac_…)"), shows);
    if (revokes)
        return take_back(&p);
    bool alone = !p.account && str_to_i64(str_from(p.merchant), &p.merchant_id);
    if (alone) /* where the key is, the store need not be */
        return finish(&p, sign(&p), false);
    if (!open_store(&o.config, false, &store))
        return EXIT_FAILED;
    err_t err = shows ? store_read(store, show, &p) : store_read(store, find_owner, &p);
    if (!err && !shows)
        err = sign(&p);
    if (!err && !shows && p.account)
        err = store_write(store, p.merchant_id, add, &p);
    store_close(store);
    return finish(&p, err, shows);
}
