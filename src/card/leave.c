/* May a card leave: the headers, the permit, and the places that it stands in. */
#include <stdio.h>

#include "card/card_internal.h"

/* "Name: value". To whom a request goes and how it is framed is not the asker's business: another
 * Host would reach somebody else behind the permitted one, a coded answer could not be looked into.
 * Source: RFC 9110, section 5. */
bool card_header_ok(struct str line)
{
    static const char *const taken[] = {"host",
                                        "content-length",
                                        "transfer-encoding",
                                        "connection",
                                        "keep-alive",
                                        "expect",
                                        "te",
                                        "upgrade",
                                        "trailer",
                                        "accept-encoding",
                                        "accept-charset",
                                        "content-encoding",
                                        "range",
                                        "forwarded",
                                        "proxy-connection",
                                        "proxy-authorization"};
    const char *colon = memchr(line.p, ':', line.n);
    struct str name = {line.p, colon ? (size_t)(colon - line.p) : 0};
    if (name.n == 0 || line.n < name.n + 2 || colon[1] != ' ')
        return false;
    for (size_t i = 0; i < line.n; i++) {
        unsigned char c = (unsigned char)line.p[i];
        if (c < 0x20 || c == 0x7F || (i < name.n && (c > 0x7F || strchr(" ()<>@,;\\\"/[]?={}", c))))
            return false;
    }
    for (size_t i = 0; i < COUNT_OF(taken); i++)
        if (str_eq_nocase(name, str_from(taken[i])))
            return false;
    return true;
}

const char *card_may_leave(const struct permit_question *q, struct str lines,
                           struct str content_type, struct str body, char why[LEAVE_WHY_MAX])
{
    static const char *const refusals[] = {
        [PERMIT_NONE] = "no permit for this host",
        [PERMIT_OVER] = "the permit for this host is over",
        [PERMIT_REVOKED] = "the permit for this host was taken back",
    };
    struct permit p = {0};
    struct card_template t;
    char place[TEMPLATE_WHERE_MAX];
    enum permit_says says = permit_find(q, &lines, &p);
    if (says != PERMIT_YES)
        return refusals[says];
    if (!card_template_read(content_type, body, &t))
        return "a placeholder is not the whole of a value";
    bool within = card_template_within(&t, &p.terms, place);
    if (!within) /* the first permit is the one that is spoken of */
        (void)snprintf(why, LEAVE_WHY_MAX, "the permit does not name the member %s",
                       place[0] ? place : "(none is known in XML)");
    while (!within && permit_find(q, &lines, &p) == PERMIT_YES)
        within = card_template_within(&t, &p.terms, place);
    card_template_end(&t);
    return within ? NULL : why;
}
