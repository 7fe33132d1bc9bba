/* Query strings and lists. */
#include "api/api_internal.h"

#include <stdio.h>

#define LIMIT_DEFAULT 10
#define LIMIT_MAX 100
#define PAGE_BYTES_MAX ((size_t)1 << 20)

/* "metadata[key]" */
static bool is_metadata(struct str name)
{
    return str_starts(name, STR("metadata[")) && name.p[name.n - 1] == ']';
}

static bool allowed_name(struct str name, const char *const *allowed)
{
    for (; *allowed; allowed++)
        if (str_eq(name, str_from(*allowed)) ||
            (strcmp(*allowed, "metadata[]") == 0 && is_metadata(name)))
            return true;
    return false;
}

bool call_query(struct call *call, const char *const *allowed)
{
    err_t err = OK;
    if (call->req->query.n)
        err = url_query(call->req->query, call->req->arena, call->query, QUERY_MAX, &call->query_n,
                        &call->error);
    for (size_t i = 0; !err && i < call->query_n; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, STR_FMT, STR_ARG(call->query[i].name));
        if (!allowed_name(call->query[i].name, allowed))
            err = error_param(&call->error, ERR_PARAM_UNKNOWN, name,
                              "there is no such query parameter here");
    }
    if (err)
        call_fail(call, err);
    return err == OK;
}

struct str call_param(struct call *call, const char *name)
{
    for (size_t i = 0; i < call->query_n; i++)
        if (str_eq(call->query[i].name, str_from(name)))
            return call->query[i].value;
    return (struct str){NULL, 0};
}

static err_t read_limit(struct call *call)
{
    struct str s = call_param(call, "limit");
    int64_t v = LIMIT_DEFAULT;
    if (s.p && (!str_to_i64(s, &v) || v < 1 || v > LIMIT_MAX))
        return error_param(&call->error, ERR_PARAM_INVALID, "limit",
                           "must be an integer between 1 and %d", LIMIT_MAX);
    call->page.limit = (int)v;
    return OK;
}

static err_t read_cursor(struct call *call, enum id_kind kind)
{
    struct str after = call_param(call, "starting_after"),
               before = call_param(call, "ending_before");
    struct page *p = &call->page;
    memset(p->cursor.b, 0xFF, sizeof p->cursor.b);
    if (after.p && before.p)
        return error_param(&call->error, ERR_PARAM_INVALID, "ending_before",
                           "cannot be given together with starting_after");
    if (after.p && !id_parse(kind, after, &p->cursor))
        return error_param(&call->error, ERR_PARAM_INVALID, "starting_after",
                           "must be an id that begins with %s", id_prefix(kind));
    if (before.p && !id_parse(kind, before, &p->cursor))
        return error_param(&call->error, ERR_PARAM_INVALID, "ending_before",
                           "must be an id that begins with %s", id_prefix(kind));
    p->up = before.p != NULL;
    return OK;
}

static err_t read_created(struct call *call)
{
    static const struct {
        const char *name;
        bool from;
        int64_t shift;
    } bounds[] = {{"created[gte]", true, 0},
                  {"created[gt]", true, 1},
                  {"created[lte]", false, 0},
                  {"created[lt]", false, -1}};
    struct page *p = &call->page;
    p->created_from = 0;
    p->created_to = INT64_MAX;
    for (size_t i = 0; i < COUNT_OF(bounds); i++) {
        struct str s = call_param(call, bounds[i].name);
        int64_t us;
        if (!s.p)
            continue;
        if (!time_parse(s, &us))
            return error_param(&call->error, ERR_PARAM_INVALID, bounds[i].name,
                               "must be a time as in RFC 3339, such as 2026-11-24T10:00:00Z");
        us += bounds[i].shift;
        if (bounds[i].from)
            p->created_from = num_max(p->created_from, us);
        else
            p->created_to = num_min(p->created_to, us);
    }
    return OK;
}

bool call_list_query(struct call *call, enum id_kind kind, const char *const *allowed)
{
    if (!call_query(call, allowed))
        return false;
    err_t err = read_limit(call);
    if (!err)
        err = read_cursor(call, kind);
    if (!err)
        err = read_created(call);
    if (err)
        call_fail(call, err);
    else
        call->page.limit++; /* one more than shown tells whether there is more */
    return err == OK;
}

err_t list_add(struct id id, struct str json, void *arg)
{
    struct call *call = arg;
    (void)id;
    /* A page also ends at a size: a client that does not read must not cost much. */
    if (call->more || call->shown == call->page.limit - 1 || call->shown_bytes > PAGE_BYTES_MAX) {
        call->more = true;
        return OK;
    }
    struct list_item *item = mem_alloc(sizeof *item + json.n);
    if (!item)
        return ERR_NO_MEMORY;
    memcpy(item + 1, json.p, json.n);
    item->json = (struct str){(const char *)(item + 1), json.n};
    item->next = call->items;
    call->items = item;
    call->shown++;
    call->shown_bytes += json.n;
    return OK;
}

void list_write(struct call *call)
{
    struct jw w = {.b = &call->out};
    /* Items are stacked: the last one read is on top. Going down in time they have to be turned
     * round. */
    struct list_item *ordered = NULL;
    if (call->page.up) {
        ordered = call->items;
    } else {
        for (struct list_item *i = call->items, *next; i; i = next) {
            next = i->next;
            i->next = ordered;
            ordered = i;
        }
    }
    call->items = NULL;
    jw_object(&w, NULL);
    jw_str(&w, "object", STR("list"));
    jw_array(&w, "data");
    for (struct list_item *i = ordered, *next; i; i = next) {
        next = i->next;
        jw_raw(&w, NULL, i->json);
        mem_free(i);
    }
    jw_array_end(&w);
    jw_bool(&w, "has_more", call->more);
    jw_object_end(&w);
    call->found = true;
}

void list_release(struct call *call)
{
    for (struct list_item *i = call->items, *next; i; i = next) {
        next = i->next;
        mem_free(i);
    }
    call->items = NULL;
}
