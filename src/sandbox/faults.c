/* Faults on order: the next N requests of a kind go wrong. */
#include "sandbox/sandbox_internal.h"

struct body {
    struct opt_int next, ms;
    struct str kind, operation;
};
static const struct wire_field fields[] = {
    {"next", WIRE_INT, WIRE_REQUIRED, offsetof(struct body, next), 1, 1000000},
    {"kind", WIRE_STR, WIRE_REQUIRED, offsetof(struct body, kind), 0, 0},
    {"ms", WIRE_INT, 0, offsetof(struct body, ms), 0, 60000},
    {"operation", WIRE_STR, WIRE_NULLABLE, offsetof(struct body, operation), 0, 0},
};

static const char *const act_names[] = {
    [ACT_DELAY] = "delay",
    [ACT_DROP_BEFORE] = "drop_before",
    [ACT_DROP_AFTER] = "drop_after",
    [ACT_ERROR_BEFORE] = "error_before",
    [ACT_ERROR_AFTER] = "error_after",
    [ACT_ECHO] = "echo",
};
static const char *const kind_names[] = {
    [KIND_CHARGE] = "charge",   [KIND_CAPTURE] = "capture",      [KIND_VOID] = "void",
    [KIND_REFUND] = "refund",   [KIND_INCREMENT] = "increment",  [KIND_EVIDENCE] = "evidence",
    [KIND_CONFIRM] = "confirm", [KIND_CANCEL] = "refund_cancel", [KIND_ACCEPT] = "accept",
    [KIND_INQUIRY] = "inquiry", [KIND_DISPUTE] = "dispute",
};

/* Index of the name, or n. */
static int index_of(const char *const *names, size_t n, struct str name)
{
    size_t i = 0;
    while (i < n && !(names[i] && str_eq(name, str_from(names[i]))))
        i++;
    return (int)i;
}

static err_t fault_read(struct str text, struct fault *ret, struct err_info *info)
{
    static const struct json_limits limits = {4096, 2};
    struct body b = {0};
    json_t *json = NULL;
    err_t err = json_read(text, &limits, &json, info);
    if (!err)
        err = wire_read(json, fields, COUNT_OF(fields), &b, info);
    if (err)
        goto out;
    int act = index_of(act_names, COUNT_OF(act_names), b.kind);
    int kind = b.operation.p ? index_of(kind_names, COUNT_OF(kind_names), b.operation) : KIND_COUNT;
    if (act == (int)COUNT_OF(act_names))
        err = error_set(info, ERR_PARAM_INVALID, "kind: not a kind of fault");
    else if (b.operation.p && kind == (int)COUNT_OF(kind_names))
        err = error_set(info, ERR_PARAM_INVALID, "operation: not an operation");
    else
        *ret = (struct fault){
            .next = b.next.value, .ms = b.ms.value, .act = (enum act)act, .kind = kind};
out:
    json_decref(json);
    return err;
}

enum act faults_take(struct faults *f, enum kind kind, int64_t *ret_ms)
{
    enum act act = ACT_PLAIN;
    pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < f->n && act == ACT_PLAIN; i++) {
        struct fault *x = &f->list[i];
        ASSERT(x->next > 0);
        if (x->kind != KIND_COUNT && x->kind != (int)kind)
            continue;
        act = x->act;
        *ret_ms = x->ms;
        if (--x->next == 0) {
            f->n--;
            memmove(x, x + 1, (f->n - i) * sizeof *x);
        }
    }
    pthread_mutex_unlock(&f->lock);
    return act;
}

void faults_post(struct http_request *req, void *ctx)
{
    struct faults *f = &((struct sandbox *)ctx)->faults;
    struct err_info info = {0};
    struct fault fault;
    err_t err = fault_read(req->body, &fault, &info);
    if (!err) {
        pthread_mutex_lock(&f->lock);
        if (f->n < FAULTS_MAX)
            f->list[f->n++] = fault;
        else
            err = error_set(&info, ERR_STATE, "There are %d faults waiting.", FAULTS_MAX);
        pthread_mutex_unlock(&f->lock);
    }
    if (err) {
        answer_code(req, 400, "invalid_request", info.detail);
        return;
    }
    struct http_answer answer = {.status = 204};
    http_reply(req, &answer);
}

void faults_delete(struct http_request *req, void *ctx)
{
    struct faults *f = &((struct sandbox *)ctx)->faults;
    pthread_mutex_lock(&f->lock);
    f->n = 0;
    pthread_mutex_unlock(&f->lock);
    struct http_answer answer = {.status = 204};
    http_reply(req, &answer);
}
