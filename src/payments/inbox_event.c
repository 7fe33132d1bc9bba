/* A provider's event as JSON, and back: it may have to wait. */
#include "payments/inbox_internal.h"

enum form { TEXT, INT64, INT, SHORT, BYTE, FLAG };

struct member {
    const char *name;
    enum form form;
    size_t offset, size;
};
#define MEMBER(type, name, form)                                                                   \
    {                                                                                              \
#name, form, offsetof(type, name), sizeof(((type *)0)->name)                               \
    }

/* The numbers of enums among these are fixed in connect.h. */
#define O(name, form) MEMBER(struct outcome, name, form)
static const struct member outcome_members[] = {
    O(decline, INT),
    O(amount, INT64),
    O(currency, SHORT),
    O(provider_reference, TEXT),
    O(network_reference, TEXT),
    O(authorization_code, TEXT),
    O(acquirer_reference, TEXT),
    O(provider_code, TEXT),
    O(provider_message, TEXT),
    O(card_brand, TEXT),
    O(card_last_four, TEXT),
    O(capture_before_us, INT64),
    O(action, INT),
    O(action_expires_us, INT64),
    O(action_url, TEXT),
    O(after_success, FLAG),
};
#undef O
#define T(name, form) MEMBER(struct three_ds, name, form)
static const struct member three_ds_members[] = {T(flow, INT), T(version, TEXT), T(eci, TEXT),
                                                 T(transaction_id, TEXT), T(liability_shift, BYTE)};
#undef T
#define D(name, form) MEMBER(struct dispute_facts, name, form)
static const struct member dispute_members[] = {
    D(reference, TEXT),
    D(charge, TEXT),
    D(stage, INT),
    D(status, INT),
    D(amount, INT64),
    D(fee, INT64),
    D(currency, SHORT),
    D(due_us, INT64),
    D(version, INT64),
    D(reason, TEXT),
    D(network_reason_code, TEXT),
    D(acquirer_reference, TEXT),
};
#undef D

static int64_t number_at(const struct member *m, const char *at)
{
    switch (m->form) {
    case INT64:
        return *(const int64_t *)(const void *)at;
    case INT:
        return *(const int *)(const void *)at;
    case SHORT:
        return *(const int16_t *)(const void *)at;
    case BYTE:
        return *(const int8_t *)at;
    case FLAG:
        return *(const bool *)at;
    case TEXT:
        break;
    }
    check_panic("inbox: no number");
}

/* What is empty is left out. */
static void write_members(struct jw *w, const char *key, const void *from, const struct member *m,
                          size_t n)
{
    if (key)
        jw_object(w, key);
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)from + m[i].offset;
        if (m[i].form == TEXT) {
            if (at[0])
                jw_str(w, m[i].name, str_from(at));
        } else if (number_at(&m[i], at) != 0) {
            jw_int(w, m[i].name, number_at(&m[i], at));
        }
    }
    if (key)
        jw_object_end(w);
}

void inbox_write(struct buf *out, const struct provider_event *e)
{
    const struct outcome *o = &e->outcome;
    struct jw w = {.b = out};
    jw_object(&w, NULL);
    jw_str(&w, "id", str_from(e->id));
    jw_str(&w, "event", str_from(provider_event_text(e->kind)));
    if (e->kind == PROVIDER_EVENT_OPERATION)
        jw_str(&w, "about", str_from(provider_operation_text(e->about)));
    if (e->reference[0])
        jw_str(&w, "reference", str_from(e->reference));
    jw_str(&w, "kind", str_from(outcome_text(o->kind)));
    write_members(&w, NULL, o, outcome_members, COUNT_OF(outcome_members));
    if (o->three_ds.flow != THREE_DS_NONE || o->three_ds.eci[0] || o->three_ds.liability_shift)
        write_members(&w, "three_ds", &o->three_ds, three_ds_members, COUNT_OF(three_ds_members));
    if (o->dispute.reference[0])
        write_members(&w, "dispute", &o->dispute, dispute_members, COUNT_OF(dispute_members));
    jw_object_end(&w);
}

static bool put_number(const struct member *m, char *at, int64_t v)
{
    switch (m->form) {
    case INT64:
        *(int64_t *)(void *)at = v;
        return true;
    case INT:
        *(int *)(void *)at = (int)v;
        return v == (int)v;
    case SHORT:
        *(int16_t *)(void *)at = (int16_t)v;
        return v == (int16_t)v;
    case BYTE:
        *(int8_t *)at = (int8_t)v;
        return v == (int8_t)v;
    case FLAG:
        *(bool *)at = v != 0;
        return v == 0 || v == 1;
    case TEXT:
        break;
    }
    return false;
}

static bool read_text(json_t *from, const char *name, char *out, size_t max)
{
    const char *text = json_string_value(json_object_get(from, name));
    if (!text || strlen(text) >= max)
        return text == NULL;
    copy_text(out, max, str_from(text));
    return true;
}

static bool read_members(json_t *from, void *to, const struct member *m, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n && good; i++) {
        char *at = (char *)to + m[i].offset;
        json_t *v = json_object_get(from, m[i].name);
        if (m[i].form == TEXT)
            good = read_text(from, m[i].name, at, m[i].size);
        else if (v)
            good = json_is_integer(v) && put_number(&m[i], at, json_integer_value(v));
    }
    return good;
}

/* Position of the text among those that text_of gives for 0, 1 …; -1: none of them. */
static int word_at(json_t *from, const char *name, const char *(*text_of)(int), int n)
{
    const char *have = json_string_value(json_object_get(from, name));
    for (int i = 0; have && i < n; i++)
        if (strcmp(have, text_of(i)) == 0)
            return i;
    return -1;
}

static const char *event_word(int i)
{
    return provider_event_text((enum provider_event_kind)i);
}
static const char *about_word(int i)
{
    return provider_operation_text((enum provider_operation)i);
}
static const char *outcome_word(int i)
{
    return outcome_text((enum outcome_kind)i);
}

static bool parse(json_t *all, struct provider_event *e)
{
    struct outcome *o = &e->outcome;
    int event = word_at(all, "event", event_word, PROVIDER_EVENT_DISPUTE + 1);
    int kind = word_at(all, "kind", outcome_word, OUTCOME_NOT_FOUND + 1);
    int about = word_at(all, "about", about_word, OPERATION_COUNT);
    if (event < 0 || kind < 0 || (event == PROVIDER_EVENT_OPERATION) != (about >= 0))
        return false;
    e->kind = (enum provider_event_kind)event;
    e->about = about >= 0 ? (enum provider_operation)about : OPERATION_AUTHORIZE;
    o->kind = (enum outcome_kind)kind;
    return read_text(all, "id", e->id, sizeof e->id) && e->id[0] &&
           read_text(all, "reference", e->reference, sizeof e->reference) &&
           read_members(all, o, outcome_members, COUNT_OF(outcome_members)) &&
           read_members(json_object_get(all, "three_ds"), &o->three_ds, three_ds_members,
                        COUNT_OF(three_ds_members)) &&
           read_members(json_object_get(all, "dispute"), &o->dispute, dispute_members,
                        COUNT_OF(dispute_members));
}

bool inbox_parse(struct str json, struct provider_event *ret)
{
    static const struct json_limits limits = {EVENT_BYTES_MAX, 4};
    json_t *all = NULL;
    *ret = (struct provider_event){.kind = PROVIDER_EVENT_IGNORED};
    bool good = json_read(json, &limits, &all, NULL) == OK && parse(all, ret);
    json_decref(all);
    return good;
}
