/* Between the files of the room. */
#ifndef FLORIN_CARD_INTERNAL_H
#define FLORIN_CARD_INTERNAL_H

#include "card/card.h"
#include "sys/limiter.h"
#include "vault/vault.h"
#include "wire/wire.h"

/* --- fill.c, redact.c: a card into a request, and out of an answer; pure --- */
/* Writes the body with {{card.number}}, {{card.exp_month}} (2 digits), {{card.exp_year}} (4),
 * {{card.exp_year_2}} and {{card.cvc}} filled in. A card without a CVC (a saved one): what has
 * {{card.cvc}} as its whole value, a member of JSON or a pair of a form, is left out; anywhere else
 * it is nothing. Shape: out is to be wiped. Errors: ERR_CONNECTOR: another placeholder, or no
 * {{card.number}} at all; ERR_NO_MEMORY. */
MUST_CHECK err_t card_fill(struct str body, const struct card *c, struct buf *out,
                           struct err_info *reterr);
/* Writes the answer without the card: its number and any nine of its digits in a row, also divided
 * by anything but letters and digits, with digits coded as in URLs, JSON or XML, in hex and in
 * base64; and the CVC as the value of a member whose name says so. What is there instead is as
 * long. Returns how often it was found. */
int card_redact(struct str answer, const struct card *c, struct buf *out);

/* Does the name of a member, a field or an element say that its value is a CVC? */
bool card_names_cvc(struct str name);

/* --- template.c; pure --- */
struct card_template {
    enum { TEMPLATE_JSON, TEMPLATE_FORM, TEMPLATE_XML } kind;
    struct str body; /* a view */
    json_t *json;    /* of JSON */
};
/* May the body be filled in? Each placeholder is the whole of a value: of a string in JSON, of a
 * field of a form, of an element in XML, which of them the Content-Type says; number and CVC in one
 * that is called so, and nothing within what is kept as a remark. false: it may not; true:
 * card_template_end. */
MUST_CHECK bool card_template_read(struct str content_type, struct str body,
                                   struct card_template *ret);
void card_template_end(struct card_template *t);
#define TEMPLATE_WHERE_MAX 40
/* Do number and CVC stand only at the members that a permit's terms name, if they name any?
 * Otherwise where has the first other place, cut where it is long, or "": of XML no
 * member is known. */
MUST_CHECK bool card_template_within(const struct card_template *t,
                                     const struct permit_terms *terms,
                                     char where[TEMPLATE_WHERE_MAX]);

/* --- leave.c; pure --- */
#define LEAVE_WHY_MAX 90
/* Is it a header, and one that the asker may set? Shape: a line without its end. */
MUST_CHECK bool card_header_ok(struct str line);
/* May a card leave in this body? NULL, or why not: one of a few texts, or in why. Any of the
 * permits will do. */
const char *card_may_leave(const struct permit_question *q, struct str lines,
                           struct str content_type, struct str body, char why[LEAVE_WHY_MAX]);

/* --- pace.c; pure --- */
#define PACES 1024
struct pace {
    int64_t merchant_id, next_us;
};
/* All zero to begin with. */
struct paces {
    struct pace pace[PACES];
};
/* May this merchant send one more now? So many a second, and as many at once; 0: no limit. now_us:
 * monotonic. Shape: under the caller's lock. */
MUST_CHECK bool pace_take(struct paces *t, int64_t merchant_id, int64_t per_second, int64_t now_us);

/* --- tokenize.c --- */
struct card_role {
    struct card_config config;
    struct link_slot api, vault;
    struct http_client *client;
    struct http_server *server;
    struct egress *egress;
    struct limiter attempts;            /* by address */
    size_t active;                      /* cards being taken; atomic */
    bool api_came, vault_came;          /* atomic */
    int64_t api_lost_us, vault_lost_us; /* when that was seen; 0: it is there; atomic */
};
/* POST /v1/cards: a card that was typed, for a client token. */
http_handler on_card;
/* POST /reports: what a browser found on one of our pages. */
http_handler on_report;

/* --- pages.c --- */
/* GET /florin.js and the other files. */
http_handler on_asset;
/* GET /fields/{kind}?o=ORIGIN: a field for pages of that origin. */
http_handler on_field;
/* GET /config.json. */
http_handler on_config;

/* --- pass.c --- */
/* Passes FORGET, KEEP or EXPIRY on to the vault, and its answer back. false: its payload is none.
 */
MUST_CHECK bool card_pass_on(struct card_role *c, const struct link_frame *f);

#endif
