/* Card verification codes: in memory alone, until they were used or ten minutes have passed.
 * Source: PCI DSS 3.3.1. */
#include "vault/vault_internal.h"

static struct held_cvc *set_of(const struct vault *v, struct id card)
{
    uint32_t at = (uint32_t)card.b[10] << 8 | card.b[11];
    return v->open->cvcs[at % CVC_SETS];
}

static struct held_cvc *find(const struct vault *v, int64_t merchant_id, struct id card)
{
    struct held_cvc *set = set_of(v, card);
    for (int i = 0; i < CVC_WAYS; i++)
        if (set[i].until_us && set[i].merchant_id == merchant_id && id_eq(set[i].card, card))
            return &set[i];
    return NULL;
}

/* When all are taken the oldest goes: a card without its code can still be charged. */
void cvc_put(struct vault *v, int64_t now_us, int64_t merchant_id, struct id card, const char *cvc)
{
    struct held_cvc *set = set_of(v, card), *to = find(v, merchant_id, card);
    if (!to) {
        to = &set[0]; /* a free one has no time */
        for (int i = 1; i < CVC_WAYS; i++)
            if (set[i].until_us < to->until_us)
                to = &set[i];
    }
    *to = (struct held_cvc){
        .merchant_id = merchant_id, .until_us = now_us + CVC_KEPT_US, .card = card};
    memcpy(to->cvc, cvc, strnlen(cvc, sizeof to->cvc - 1));
}

void cvc_get(const struct vault *v, int64_t now_us, int64_t merchant_id, struct id card,
             char out[5])
{
    const struct held_cvc *h = find(v, merchant_id, card);
    memset(out, 0, 5);
    if (h && h->until_us > now_us)
        memcpy(out, h->cvc, 5);
}

void cvc_drop(struct vault *v, int64_t merchant_id, struct id card)
{
    struct held_cvc *h = find(v, merchant_id, card);
    if (h)
        mem_wipe(h, sizeof *h);
}

void cvc_sweep(struct vault *v, int64_t now_us)
{
    for (int s = 0; s < CVC_SETS; s++)
        for (int i = 0; i < CVC_WAYS; i++) {
            struct held_cvc *h = &v->open->cvcs[s][i];
            if (h->until_us && h->until_us <= now_us)
                mem_wipe(h, sizeof *h);
        }
}
