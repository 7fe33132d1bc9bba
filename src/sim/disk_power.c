/* What is left of a disk when the power goes. */
#include "sim/disk_internal.h"

enum fate { FATE_LOST, FATE_TORN, FATE_KEPT };

static enum fate fate_of(const struct loss *l, uint64_t order)
{
    switch (l->kind) {
    case LOSE_NOTHING:
        return FATE_KEPT;
    case LOSE_ONE:
        return order == l->order ? FATE_LOST : FATE_KEPT;
    case LOSE_AFTER:
        return order < l->order ? FATE_KEPT : order == l->order ? FATE_TORN : FATE_LOST;
    case LOSE_ANY:
        if (det_below(l->rng, 16) < l->keep)
            return FATE_KEPT;
        return det_below(l->rng, 2) ? FATE_TORN : FATE_LOST;
    default:
        return FATE_LOST;
    }
}

/* Of what cannot be torn. */
static bool keeps(const struct loss *l, uint64_t order)
{
    enum fate fate = fate_of(l, order);
    return fate == FATE_KEPT || (fate == FATE_TORN && det_below(l->rng, 2));
}

/* Each sector is there or not. */
static void write_torn(struct bytes *b, const struct change *c, const uint8_t *p, struct det *rng)
{
    uint64_t coins = 0;
    size_t end;
    for (size_t at = c->at, n = 0; at < c->at + c->n; at = end, n++) {
        end = (at / DISK_SECTOR + 1) * DISK_SECTOR;
        if (end > c->at + c->n)
            end = c->at + c->n;
        if (n % 64 == 0)
            coins = det_u64(rng);
        if (coins >> n % 64 & 1)
            bytes_write(b, at, p + (at - c->at), end - at);
    }
}

static void contents(struct bytes *to, const struct file *f, const struct loss *l)
{
    if (f->settled || l->kind == LOSE_NOTHING) {
        bytes_share(to, &f->live);
        return;
    }
    bytes_share(to, &f->durable);
    for (size_t i = 0; l->kind != LOSE_ALL && i < f->changes_n; i++) {
        const struct change *c = &f->changes[i];
        const uint8_t *p = f->said + c->said;
        if (c->truncation) {
            if (keeps(l, c->order))
                bytes_resize(to, c->at);
            continue;
        }
        enum fate fate = fate_of(l, c->order);
        if (fate == FATE_KEPT)
            bytes_write(to, c->at, p, c->n);
        else if (fate == FATE_TORN)
            write_torn(to, c, p, l->rng);
    }
}

struct disk *disk_remains(const struct disk *d, const struct loss *l)
{
    struct heap *before = heap_enter(NULL);
    struct disk *own = disk_new();
    own->random = d->random;
    /* those under their names first: a deleted one comes back only where nobody took its place */
    for (int deleted = 0; deleted < 2; deleted++)
        for (const struct file *f = d->files; f; f = f->next) {
            if (!f->name[0] || f->deleted != deleted)
                continue;
            bool there = deleted ? !keeps(l, f->ended) && !disk_find(own, f->name)
                                 : f->kept || keeps(l, f->made);
            if (!there)
                continue;
            struct file *to = file_new(own, f->name);
            contents(&to->live, f, l);
            to->kept = true;
        }
    (void)heap_enter(before);
    return own;
}

size_t disk_pending(const struct disk *d)
{
    size_t n = 0;
    for (const struct file *f = d->files; f; f = f->next)
        n += f->name[0] ? f->changes_n + !f->kept + f->deleted : 0;
    return n;
}

uint64_t disk_pending_order(const struct disk *d, size_t i)
{
    for (const struct file *f = d->files; f; f = f->next) {
        if (!f->name[0])
            continue;
        if (!f->kept && i-- == 0)
            return f->made;
        if (f->deleted && i-- == 0)
            return f->ended;
        if (i < f->changes_n)
            return f->changes[i].order;
        i -= f->changes_n;
    }
    check_panic("nothing is pending at that place");
}

void disk_power_loss(struct disk *d, struct det *rng)
{
    size_t pending = disk_pending(d);
    struct loss l = {.kind = (enum loss_kind)det_below(rng, LOSS_KINDS), .rng = rng};
    ASSERT(d->handles == NULL);
    l.order = pending ? disk_pending_order(d, (size_t)det_below(rng, pending)) : 0;
    l.keep = 2 + 6 * (unsigned)det_below(rng, 3);
    struct disk *left = disk_remains(d, &l);
    struct file *files = d->files;
    d->files = left->files;
    left->files = files; /* freed with it */
    disk_free(left);
}
