/* May a card leave: the permit, and the places that it stands in. */
#include <stdio.h>

#include "card/card_internal.h"

const char *card_may_leave(const struct permit_question *q, struct str lines,
                           struct str content_type, struct str body, char why[LEAVE_WHY_MAX])
{
    static const char *const refusals[] = {
        [PERMIT_NONE] = "no permit for this host",
        [PERMIT_OVER] = "the permit for this host is over",
        [PERMIT_REVOKED] = "the permit for this host was taken back",
    };
    struct permit p = {0};
    char place[TEMPLATE_WHERE_MAX];
    enum permit_says says = permit_find(q, &lines, &p);
    if (says != PERMIT_YES)
        return refusals[says];
    if (!card_template_fits(content_type, body))
        return "a placeholder is not the whole of a value";
    for (bool first = true; says == PERMIT_YES; first = false) {
        if (card_template_within(content_type, body, &p.terms, place))
            return NULL;
        if (first)
            (void)snprintf(why, LEAVE_WHY_MAX, "the permit does not name the member %s",
                           place[0] ? place : "(none is known in XML)");
        says = permit_find(q, &lines, &p);
    }
    return why;
}
