#include "wire/wire_internal.h"

static bool is_list(struct str name)
{
    return name.n > 2 && name.p[name.n - 2] == '[' && name.p[name.n - 1] == ']';
}

static bool comes_before(const struct url_pair *pairs, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(pairs[i].name, name))
            return true;
    return false;
}

/* Decodes into the arena by way of a scratch buffer. */
static err_t decode(struct str in, struct buf *scratch, struct arena *a, struct str *ret)
{
    buf_clear(scratch);
    if (!url_decode(in, true, scratch))
        return ERR_PARAM_INVALID;
    char *p = arena_copy(a, scratch->p ? scratch->p : "", scratch->n);
    if (!p)
        return ERR_NO_MEMORY;
    *ret = (struct str){p, scratch->n};
    return OK;
}

static err_t read_pair(struct str piece, struct buf *scratch, struct arena *a, struct url_pair *ret,
                       struct err_info *reterr)
{
    const char *equals = memchr(piece.p, '=', piece.n);
    size_t n = equals ? (size_t)(equals - piece.p) : piece.n;
    struct str value = {equals ? equals + 1 : "", equals ? piece.n - n - 1 : 0};
    err_t err = decode((struct str){piece.p, n}, scratch, a, &ret->name);
    if (err == ERR_PARAM_INVALID || (err == OK && ret->name.n == 0))
        return error_set(reterr, ERR_PARAM_INVALID,
                         "the query has a parameter whose name is empty or badly encoded");
    if (err == OK) {
        err = decode(value, scratch, a, &ret->value);
        if (err == ERR_PARAM_INVALID)
            return error_param(reterr, err, ret->name.p,
                               "%.60s is not percent-encoded UTF-8 without NUL", ret->name.p);
    }
    return err == OK ? OK : error_set(reterr, err, "no memory to read the query");
}

err_t url_query(struct str query, struct arena *a, struct url_pair *out, size_t max, size_t *ret_n,
                struct err_info *reterr)
{
    ASSERT(query.p || query.n == 0);
    struct buf scratch = BUF(query.n);
    size_t count = 0;
    err_t err = OK;
    for (size_t at = 0; at < query.n && err == OK;) {
        const char *amp = memchr(query.p + at, '&', query.n - at);
        struct str piece = {query.p + at, amp ? (size_t)(amp - query.p) - at : query.n - at};
        struct url_pair pair;
        at += piece.n + 1;
        if (piece.n == 0)
            continue;
        if (count == max) {
            err =
                error_set(reterr, ERR_PARAM_INVALID, "the query has more than %zu parameters", max);
            break;
        }
        err = read_pair(piece, &scratch, a, &pair, reterr);
        if (err == OK && !is_list(pair.name) && comes_before(out, count, pair.name))
            err = error_param(reterr, ERR_PARAM_INVALID, pair.name.p, "%.60s is given twice",
                              pair.name.p);
        if (err == OK)
            out[count++] = pair;
    }
    buf_free(&scratch);
    if (err == OK)
        *ret_n = count;
    return err;
}
