/* A card into a request. */
#include <stdio.h>

#include "card/card_internal.h"

#define OPEN "{{card."
#define CLOSE "}}"
#define CVC OPEN "cvc" CLOSE

static bool value_of(struct str name, const struct card *c, char out[CARD_NUMBER_MAX])
{
    if (str_eq(name, STR("number")))
        (void)snprintf(out, CARD_NUMBER_MAX, "%s", c->number);
    else if (str_eq(name, STR("exp_month")))
        (void)snprintf(out, CARD_NUMBER_MAX, "%02d", c->month);
    else if (str_eq(name, STR("exp_year")))
        (void)snprintf(out, CARD_NUMBER_MAX, "%04d", c->year);
    else if (str_eq(name, STR("exp_year_2")))
        (void)snprintf(out, CARD_NUMBER_MAX, "%02d", c->year % 100);
    else if (str_eq(name, STR("cvc")))
        (void)snprintf(out, CARD_NUMBER_MAX, "%s", c->cvc);
    else
        return false;
    return true;
}

static const char *find(struct str in, const char *what)
{
    return in.n ? memmem(in.p, in.n, what, strlen(what)) : NULL;
}

static struct str after(struct str s, const char *p)
{
    return (struct str){p, s.n - (size_t)(p - s.p)};
}

/* --- a card without a CVC --- */
/* A part of a text: its first byte and the one after its last. */
struct span {
    size_t from, to;
};

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where the white space before it begins. */
static size_t skip_back(struct str s, size_t at)
{
    while (at > 0 && space(s.p[at - 1]))
        at--;
    return at;
}

static bool is(struct str s, size_t at, char c)
{
    return at < s.n && s.p[at] == c;
}

/* In JSON: from the value to its whole member, and one of the commas beside it. */
static bool json_member(struct str s, struct span *v)
{
    size_t from = v->from, to = v->to;
    if (from > 0 && is(s, from - 1, '"') && is(s, to, '"'))
        from--, to++;
    from = skip_back(s, from);
    if (from == 0 || !is(s, from - 1, ':'))
        return false;
    from = skip_back(s, from - 1);
    if (from == 0 || !is(s, --from, '"'))
        return false;
    do
        if (from == 0 || is(s, --from, '\\'))
            return false;
    while (!is(s, from, '"'));
    size_t before = skip_back(s, from), after = to;
    while (after < s.n && space(s.p[after]))
        after++;
    bool next = before > 0 && is(s, before - 1, ','), more = is(s, after, ',');
    if ((!next && (before == 0 || !is(s, before - 1, '{'))) || (!more && !is(s, after, '}')))
        return false;
    *v = more ? (struct span){from, after + 1} : (struct span){next ? before - 1 : from, to};
    return true;
}

/* In a form: from the value to its whole pair, and one of the & beside it. */
static bool form_pair(struct str s, struct span *v)
{
    size_t from = v->from;
    bool last = v->to == s.n;
    if (from == 0 || !is(s, from - 1, '=') || (!last && !is(s, v->to, '&')))
        return false;
    while (from > 0 && !is(s, from - 1, '&')) {
        from--;
        if (s.p[from] <= ' ' || strchr("\"<>{}", s.p[from]))
            return false;
    }
    *v = last ? (struct span){from > 0 ? from - 1 : 0, s.n} : (struct span){from, v->to + 1};
    return true;
}

/* Leaves out what would have had the CVC in it. */
static void drop_cvc(struct buf *body)
{
    for (const char *at; (at = find(buf_view(body), CVC));) {
        struct span v = {.from = (size_t)(at - body->p)};
        v.to = v.from + strlen(CVC);
        if (!json_member(buf_view(body), &v))
            (void)form_pair(buf_view(body), &v);
        memmove(body->p + v.from, body->p + v.to, body->n - v.to);
        body->n -= v.to - v.from;
    }
}

/* --- filling --- */
static err_t fill(struct str body, const struct card *c, struct buf *out, struct err_info *reterr)
{
    static const char spare[64] = {0};
    char value[CARD_NUMBER_MAX];
    bool numbered = false, good = true;
    struct str rest = body;
    if (body.n + sizeof spare <= out->max) { /* room at once: what grows leaves copies behind */
        buf_add(out, body.p, body.n);
        buf_add(out, spare, sizeof spare);
        buf_clear(out);
    }
    for (const char *at; good && (at = find(rest, OPEN));) {
        struct str tail = after(rest, at + strlen(OPEN));
        const char *end = find(tail, CLOSE);
        struct str name = {tail.p, end ? (size_t)(end - tail.p) : 0};
        good = end && value_of(name, c, value);
        if (!good)
            break;
        numbered = numbered || str_eq(name, STR("number"));
        buf_add(out, rest.p, (size_t)(at - rest.p));
        buf_str(out, value);
        rest = after(rest, end + strlen(CLOSE));
    }
    buf_add(out, rest.p, rest.n);
    mem_wipe(value, sizeof value);
    if (!good)
        return error_set(reterr, ERR_CONNECTOR, "a placeholder of a card that there is not");
    if (!numbered)
        return error_set(reterr, ERR_CONNECTOR, "no placeholder for the card's number");
    return out->failed ? ERR_NO_MEMORY : OK;
}

err_t card_fill(struct str body, const struct card *c, struct buf *out, struct err_info *reterr)
{
    struct buf without = BUF(body.n);
    if (c->cvc[0] || !find(body, CVC))
        return fill(body, c, out, reterr);
    buf_add(&without, body.p, body.n);
    err_t err = ERR_NO_MEMORY;
    if (!without.failed) {
        drop_cvc(&without);
        err = fill(buf_view(&without), c, out, reterr);
    }
    buf_free(&without);
    return err;
}
