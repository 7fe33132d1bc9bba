/* Custodians' shares on their way to a key. */
#include "vault/shares.h"

#include <stdio.h>

#include "sys/secret.h"

struct share_set {
    enum shares_for what; /* 0: free */
    unsigned n;
    uint64_t begun; /* the order in which sets were begun */
    struct shamir_share share[SHAMIR_MAX];
};
struct shares {
    struct secret memory;
    struct share_set *set; /* SHARES_SETS of them, in it */
    uint64_t begun;
};

err_t shares_new(struct shares **ret)
{
    struct shares *s = mem_alloc(sizeof *s);
    err_t err = s ? secret_make(SHARES_SETS * sizeof *s->set, &s->memory) : ERR_NO_MEMORY;
    if (err) {
        mem_free(s);
        return err;
    }
    s->set = (struct share_set *)(void *)s->memory.p;
    *ret = s;
    return OK;
}

void shares_free(struct shares *s)
{
    if (!s)
        return;
    secret_free(&s->memory);
    mem_free(s);
}

void shares_forget(struct shares *s)
{
    mem_wipe(s->set, SHARES_SETS * sizeof *s->set);
}

/* The set of a share; the oldest makes room for a new one, so that a share of some other vault does
 * not stand in the way for ever. */
static struct share_set *set_of(struct shares *s, enum shares_for what,
                                const struct shamir_share *share)
{
    struct share_set *oldest = &s->set[0];
    for (int i = 0; i < SHARES_SETS; i++) {
        struct share_set *set = &s->set[i];
        if (set->what == what && memcmp(set->share[0].set, share->set, sizeof share->set) == 0)
            return set;
        if (set->begun < oldest->begun)
            oldest = set;
    }
    mem_wipe(oldest, sizeof *oldest);
    oldest->what = what;
    oldest->begun = ++s->begun;
    return oldest;
}

static void tell(const struct share_set *set, struct shares_progress *ret)
{
    const uint8_t *b = set->share[0].set;
    ret->given = (int)set->n;
    ret->needed = set->share[0].needed;
    (void)snprintf(ret->set, sizeof ret->set, "%02x%02x%02x%02x", b[0], b[1], b[2], b[3]);
}

static err_t add(struct share_set *set, const struct shamir_share *share)
{
    if (set->n > 0 && share->needed != set->share[0].needed)
        return ERR_STATE;
    for (unsigned i = 0; i < set->n; i++)
        if (set->share[i].number == share->number)
            return ERR_STATE;
    set->share[set->n++] = *share;
    return OK;
}

err_t shares_give(struct shares *s, enum shares_for what, struct str text,
                  struct shares_progress *ret, bool *ret_whole, uint8_t key[SHAMIR_KEY])
{
    struct shamir_share share;
    *ret = (struct shares_progress){.given = 0};
    *ret_whole = false;
    if (!shamir_read(text, &share) || share.needed > SHAMIR_MAX)
        return ERR_PARAM_INVALID;
    struct share_set *set = set_of(s, what, &share);
    err_t err = add(set, &share);
    tell(set, ret);
    ret->number = share.number;
    mem_wipe(&share, sizeof share);
    if (!err && set->n == set->share[0].needed) {
        *ret_whole = shamir_join(set->share, set->n, key);
        mem_wipe(set, sizeof *set);
    }
    return err;
}

void shares_progress(const struct shares *s, enum shares_for what, struct shares_progress *ret)
{
    *ret = (struct shares_progress){.given = 0};
    for (int i = 0; i < SHARES_SETS; i++) {
        const struct share_set *set = &s->set[i];
        if (set->what == what && set->n > 0 &&
            (ret->given == 0 || set->share[0].needed - (int)set->n < ret->needed - ret->given))
            tell(set, ret);
    }
}
