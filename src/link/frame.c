/* Frames and payloads: the table, and bytes in and out. Pure. */
#include "link/frame.h"

struct entry {
    const char *name;
    int from, to;
    size_t max;
    enum link_message answer;
};

#define LINK_ANY 0
static const struct entry entries[] = {
#define X(name, number, from, to, max, answer)                                                     \
    [number] = {#name, LINK_##from, LINK_##to, max, LINK_##answer},
    LINK_MESSAGES(X)
#undef X
};

static const struct entry *entry_of(int message)
{
    return message > 0 && (size_t)message < COUNT_OF(entries) && entries[message].name
               ? &entries[message]
               : NULL;
}

const char *link_role_text(enum link_role role)
{
    static const char *const text[] = {"none", "parent", "api", "card", "vault", "operator"};
    ASSERT((size_t)role < COUNT_OF(text));
    return text[role];
}

const char *link_message_text(int message)
{
    const struct entry *e = entry_of(message);
    return e ? e->name : NULL;
}

bool link_allowed(int message, enum link_role from, enum link_role to, size_t bytes)
{
    const struct entry *e = entry_of(message);
    return e && (e->from == LINK_ANY || e->from == (int)from) &&
           (e->to == LINK_ANY || e->to == (int)to) && bytes <= e->max;
}

enum link_message frame_answer(enum link_message request)
{
    const struct entry *e = entry_of((int)request);
    return e ? e->answer : LINK_NONE;
}

/* A request with a card waits for the vault, for its turn, and for the provider; all else is a
 * matter of one commit. */
int64_t frame_patience_us(enum link_message request)
{
    return request == LINK_EGRESS ? INT64_C(240000000) : 10000000;
}

bool frame_carries(enum link_message message)
{
    return message == LINK_PEER || message == LINK_MASTER || message == LINK_MASTER_KEPT ||
           message == LINK_ADMIN_IS /* a backup */;
}

void frame_head(uint8_t head[FRAME_HEAD], int message, size_t payload, uint64_t call)
{
    head[0] = FRAME_MAGIC >> 8;
    head[1] = FRAME_MAGIC & 0xFF;
    head[2] = (uint8_t)(message >> 8);
    head[3] = (uint8_t)message;
    for (int i = 0; i < 4; i++)
        head[4 + i] = (uint8_t)(payload >> (24 - 8 * i));
    num_put64(head + 8, call);
}

bool frame_read(struct str bytes, enum link_role from, enum link_role to, struct link_frame *ret)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    if (bytes.n < FRAME_HEAD || (p[0] << 8 | p[1]) != FRAME_MAGIC)
        return false;
    size_t n = (size_t)p[4] << 24 | (size_t)p[5] << 16 | (size_t)p[6] << 8 | p[7];
    int message = p[2] << 8 | p[3];
    if (n != bytes.n - FRAME_HEAD || !link_allowed(message, from, to, n))
        return false;
    *ret = (struct link_frame){.message = (enum link_message)message,
                               .call = num_get64(p + 8),
                               .payload = {bytes.p + FRAME_HEAD, n},
                               .fd = -1};
    return true;
}

/* --- payloads --- */
void link_put_int(struct buf *out, int64_t v)
{
    uint8_t b[8];
    num_put64(b, (uint64_t)v);
    buf_add(out, b, sizeof b);
}

void link_put_bytes(struct buf *out, const void *p, size_t n)
{
    ASSERT(n <= UINT32_MAX);
    const uint8_t size[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    buf_add(out, size, sizeof size);
    if (n)
        buf_add(out, p, n);
}

static const uint8_t *take(struct link_reader *r, size_t n)
{
    const uint8_t *p = (const uint8_t *)r->rest.p;
    if (r->failed || r->rest.n < n) {
        r->failed = true;
        return NULL;
    }
    r->rest.p += n;
    r->rest.n -= n;
    return p;
}

int64_t link_take_int(struct link_reader *r)
{
    const uint8_t *p = take(r, 8);
    return p ? (int64_t)num_get64(p) : 0;
}

struct str link_take_str(struct link_reader *r, size_t max)
{
    const uint8_t *size = take(r, 4);
    size_t n =
        size ? (size_t)size[0] << 24 | (size_t)size[1] << 16 | (size_t)size[2] << 8 | size[3] : 0;
    if (n > max)
        r->failed = true;
    const uint8_t *p = size ? take(r, n) : NULL;
    return p ? (struct str){(const char *)p, n} : (struct str){NULL, 0};
}

struct id link_take_id(struct link_reader *r)
{
    struct id id = {{0}};
    struct str s = link_take_str(r, sizeof id.b);
    if (s.n == sizeof id.b)
        memcpy(id.b, s.p, s.n);
    else
        r->failed = true;
    return id;
}

void link_take_text(struct link_reader *r, char *out, size_t max)
{
    struct str s = link_take_str(r, max - 1);
    if (s.n && memchr(s.p, 0, s.n)) {
        r->failed = true;
        s.n = 0;
    }
    if (s.n)
        memcpy(out, s.p, s.n);
    out[s.n] = 0;
}

bool link_taken(const struct link_reader *r)
{
    return !r->failed && r->rest.n == 0;
}
