/* Permits. */
#include "card/permit.h"

#include "crypto/crypto.h"
#include "wire/wire.h"

#define ORIGIN_MAX 300
#define SERIAL_N 16

/* --- the parts --- */
bool permit_day(struct str day, int64_t *ret_end_us)
{
    char space[32];
    struct buf text = BUF_ON(space);
    int64_t us;
    if (day.n != 10)
        return false;
    buf_add(&text, day.p, day.n);
    buf_str(&text, "T00:00:00Z");
    if (!time_parse(buf_view(&text), &us))
        return false;
    *ret_end_us = us + DAY_US;
    return true;
}

bool permit_member(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7F || strchr("\"\\%&=+{}<>", name.p[i]))
            return false;
    return name.n > 0 && name.n <= PERMIT_MEMBER_MAX;
}

static bool hex_digits(struct str s, size_t n)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    return s.n == n;
}

static bool terms_good(const struct permit_terms *t)
{
    int64_t end_us;
    if (t->members_n > PERMIT_MEMBERS_MAX || (t->until.n && !permit_day(t->until, &end_us)) ||
        (t->serial.n && !hex_digits(t->serial, SERIAL_N)))
        return false;
    for (size_t i = 0; i < t->members_n; i++) {
        if (!permit_member(t->member[i]))
            return false;
        for (size_t j = 0; j < i; j++)
            if (str_eq(t->member[i], t->member[j]))
                return false;
    }
    return true;
}

/* --- writing --- */
/* The one way to write an origin; a buffer of ORIGIN_MAX. */
static bool write_origin(struct buf *out, struct str url)
{
    struct url u;
    if (!url_parse(url, &u) || u.host.n == 0 || u.host.n > 255)
        return false;
    bool tls = str_eq_nocase(u.scheme, STR("https"));
    if (!tls && !str_eq_nocase(u.scheme, STR("http")))
        return false;
    bool v6 = memchr(u.host.p, ':', u.host.n) != NULL;
    buf_str(out, tls ? "https://" : "http://");
    buf_str(out, v6 ? "[" : "");
    for (size_t i = 0; i < u.host.n; i++) {
        char c = u.host.p[i];
        if (c <= ' ' || c >= 0x7F)
            return false;
        buf_byte(out, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    buf_printf(out, "%s:%d", v6 ? "]" : "", u.port);
    return !out->failed;
}

/* What is signed: everything but the signature. */
static bool write_claim(struct buf *out, int64_t merchant_id, struct str url,
                        const struct permit_terms *t)
{
    if (merchant_id <= 0 || !terms_good(t))
        return false;
    buf_printf(out, "florin-permit-1 %lld ", (long long)merchant_id);
    if (!write_origin(out, url))
        return false;
    if (t->until.n)
        buf_printf(out, " until=" STR_FMT, STR_ARG(t->until));
    for (size_t i = 0; i < t->members_n; i++)
        buf_printf(out, " member=" STR_FMT, STR_ARG(t->member[i]));
    if (t->serial.n)
        buf_printf(out, " serial=" STR_FMT, STR_ARG(t->serial));
    return !out->failed;
}

bool permit_sign(const uint8_t seed[32], int64_t merchant_id, struct str url,
                 const struct permit_terms *terms, char out[PERMIT_TEXT_MAX])
{
    static const struct permit_terms none;
    uint8_t signature[64];
    char space[PERMIT_TEXT_MAX];
    struct buf text = BUF_ON(space);
    if (!write_claim(&text, merchant_id, url, terms ? terms : &none))
        return false;
    crypto_sign_text(seed, buf_view(&text), signature);
    buf_byte(&text, ' ');
    crypto_base64(&text, signature, sizeof signature);
    if (!text.failed)
        memcpy(out, text.p, text.n + 1);
    return !text.failed;
}

/* --- reading --- */
static bool term(struct str w, const char *name, struct str *ret)
{
    size_t n = strlen(name);
    if (!str_starts(w, str_from(name)))
        return false;
    *ret = (struct str){w.p + n, w.n - n};
    return true;
}

static bool read_terms(struct str rest, struct permit_terms *t)
{
    while (rest.n) {
        struct str w = str_cut(&rest, ' '), value;
        if (term(w, "until=", &value))
            t->until = value;
        else if (term(w, "serial=", &value))
            t->serial = value;
        else if (t->members_n < PERMIT_MEMBERS_MAX && term(w, "member=", &value))
            t->member[t->members_n++] = value;
        else
            return false;
    }
    return true;
}

/* Strict: what is read is written again, and must be the same text. So nothing is given twice, in
 * another order, with other spaces or in other letters. */
static bool read_claim(struct str claim, struct permit *ret)
{
    struct permit p = {.end_us = INT64_MAX};
    char space[PERMIT_TEXT_MAX];
    struct buf again = BUF_ON(space);
    struct str rest = claim;
    uint8_t hash[32];
    bool good = str_eq(str_cut(&rest, ' '), STR("florin-permit-1")) &&
                str_to_i64(str_cut(&rest, ' '), &p.merchant_id);
    p.origin = str_cut(&rest, ' ');
    good = good && read_terms(rest, &p.terms) &&
           write_claim(&again, p.merchant_id, p.origin, &p.terms) &&
           str_eq(buf_view(&again), claim);
    if (!good || (p.terms.until.n && !permit_day(p.terms.until, &p.end_us)))
        return false;
    crypto_sha256(claim.p, claim.n, hash);
    again = BUF_ON(p.id);
    buf_hex(&again, hash, (PERMIT_ID_MAX - 1) / 2);
    *ret = p;
    return !again.failed;
}

static bool split(struct str line, struct str *ret_claim, struct str *ret_signature)
{
    const char *space = line.n ? memrchr(line.p, ' ', line.n) : NULL;
    if (!space || line.n >= PERMIT_TEXT_MAX)
        return false;
    *ret_claim = (struct str){line.p, (size_t)(space - line.p)};
    *ret_signature = (struct str){space + 1, line.n - ret_claim->n - 1};
    return true;
}

bool permit_read(struct str line, struct permit *ret)
{
    struct str claim, signature;
    return split(line, &claim, &signature) && read_claim(claim, ret);
}

static bool signed_with(const uint8_t public_key[32], struct str claim, struct str signature)
{
    char space[128];
    struct buf bytes = BUF_ON(space);
    return crypto_base64_decode(signature, &bytes) && bytes.n == 64 &&
           crypto_sign_check(public_key, claim, (const uint8_t *)bytes.p);
}

/* --- the list --- */
bool permit_list_good(struct str list, size_t *ret_line)
{
    for (*ret_line = 1; list.n; ++*ret_line) {
        struct str line = str_cut(&list, '\n');
        if (line.n && line.p[0] != '#' && !hex_digits(line, PERMIT_ID_MAX - 1))
            return false;
    }
    return true;
}

bool permit_listed(struct str list, const char *id)
{
    while (list.n)
        if (str_eq(str_cut(&list, '\n'), str_from(id)))
            return true;
    return false;
}

/* --- judging --- */
enum permit_says permit_find(const struct permit_question *q, struct str *lines, struct permit *ret)
{
    enum permit_says says = PERMIT_NONE;
    char space[ORIGIN_MAX];
    struct buf origin = BUF_ON(space);
    bool good = write_origin(&origin, q->url);
    while (good && lines->n && says != PERMIT_YES) {
        struct str claim, signature, line = str_cut(lines, '\n');
        struct permit p;
        if (!split(line, &claim, &signature) || !read_claim(claim, &p) ||
            p.merchant_id != q->merchant_id || !str_eq(p.origin, buf_view(&origin)) ||
            !signed_with(q->public_key, claim, signature)) /* last: it takes the longest */
            continue;
        says = permit_listed(q->revoked, p.id) ? PERMIT_REVOKED
               : q->now_us >= p.end_us         ? PERMIT_OVER
                                               : PERMIT_YES;
        if (says == PERMIT_YES)
            *ret = p;
    }
    return says;
}
