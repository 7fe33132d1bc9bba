/* What `api` asks of the vault, passed on: to forget a card, to keep it, to change its date. */
#include "card/card_internal.h"

struct passing {
    struct card_role *c;
    uint64_t call;
    enum link_message answer;
};

static void reply(struct card_role *c, enum link_message answer, uint64_t call, int64_t err)
{
    char bytes[16]; /* whoever asked must not wait for ever because there is no memory */
    struct buf b = BUF_ON(bytes);
    link_put_int(&b, err);
    (void)link_slot_send(&c->api, answer, call, buf_view(&b));
}

static void passed(const struct link_frame *a, void *arg)
{
    struct passing *p = arg;
    struct link_reader r = {.rest = a ? a->payload : (struct str){NULL, 0}};
    int64_t err = a ? link_take_int(&r) : ERR_UNAVAILABLE;
    reply(p->c, p->answer, p->call, a && link_taken(&r) ? err : ERR_UNAVAILABLE);
    mem_free(p);
}

static const struct {
    enum link_message asked, of_vault, answer;
} ways[] = {{LINK_FORGET, LINK_VAULT_FORGET, LINK_FORGOTTEN},
            {LINK_KEEP, LINK_VAULT_KEEP, LINK_KEPT},
            {LINK_EXPIRY, LINK_VAULT_EXPIRY, LINK_EXPIRY_IS}};

/* The payload is the same in both: merchant, card, and for a date month and year. */
static bool well_formed(const struct link_frame *f)
{
    struct link_reader r = {.rest = f->payload};
    bool good = link_take_int(&r) > 0;
    (void)link_take_id(&r);
    if (f->message == LINK_EXPIRY) {
        int64_t month = link_take_int(&r), year = link_take_int(&r);
        good = good && month >= 1 && month <= 12 && year >= 2000 && year <= 9999;
    }
    return good && link_taken(&r);
}

bool card_pass_on(struct card_role *c, const struct link_frame *f)
{
    struct passing *p = mem_alloc(sizeof *p);
    size_t way = 0;
    while (way < COUNT_OF(ways) - 1 && ways[way].asked != f->message)
        way++;
    if (!well_formed(f)) {
        mem_free(p);
        return false;
    }
    err_t err = p ? OK : ERR_NO_MEMORY;
    if (p) {
        *p = (struct passing){.c = c, .call = f->call, .answer = ways[way].answer};
        err = link_slot_ask(&c->vault, ways[way].of_vault, f->payload, passed, p);
    }
    if (err) {
        reply(c, ways[way].answer, f->call, ERR_UNAVAILABLE);
        mem_free(p);
    }
    return true;
}
