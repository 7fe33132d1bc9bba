/* /v1/disputes. */
#include "api/api_internal.h"

#include <stdio.h>

#include "crypto/crypto.h"

/* --- reading --- */

static err_t list_disputes(struct store_tx *tx, struct call *call)
{
    struct dispute_filter f = {call->state, call->parent, &call->search};
    err_t err = dispute_list(tx, call->merchant_id, &call->page, &f, list_add, call);
    if (!err)
        list_write(call);
    return search_explain(call, err);
}

static int find_status(struct str text)
{
    return machine_find(&dispute_machine, text);
}

void on_dispute_list(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    if (!call_list_query(
            call, ID_DISPUTE,
            (const char *const[]){PAGE_PARAMS, "status", "payment", "reference", NULL}))
        return;
    err_t err = read_payment_part(call, find_status, "a dispute, such as needs_response");
    if (err) {
        call_fail(call, err);
        return;
    }
    if (!call_search(call))
        return;
    call->read = list_disputes;
    call_query_store(call);
}

static err_t show_dispute(struct store_tx *tx, struct call *call)
{
    return dispute_show(tx, call->merchant_id, call->id, &call->out, &call->found);
}

void on_dispute_get(struct http_request *req, void *ctx)
{
    (void)ctx;
    call_show(call_of(req), ID_DISPUTE, show_dispute);
}

/* --- evidence --- */

#define FIELDS_MAX 40

struct evidence_body {
    struct str text[FIELDS_MAX];
    json_t *files;
};

/* The table of the room as one of a body: null takes a text away. */
static size_t evidence_table(struct wire_field out[FIELDS_MAX + 1])
{
    ASSERT(evidence_fields_n <= FIELDS_MAX);
    for (size_t i = 0; i < evidence_fields_n; i++)
        out[i] = (struct wire_field){evidence_fields[i].name,
                                     WIRE_STR,
                                     WIRE_NULLABLE,
                                     offsetof(struct evidence_body, text) + i * sizeof(struct str),
                                     0,
                                     evidence_fields[i].max};
    out[evidence_fields_n] = (struct wire_field){
        "files", WIRE_ANY, WIRE_NULLABLE, offsetof(struct evidence_body, files), 0, 0};
    return evidence_fields_n + 1;
}

static const struct wire_field file_fields[] = {
    {"purpose", WIRE_STR, WIRE_REQUIRED, offsetof(struct evidence_file, purpose), 1, 40},
    {"name", WIRE_STR, WIRE_REQUIRED, offsetof(struct evidence_file, name), 1, 255},
    {"content_type", WIRE_STR, WIRE_REQUIRED, offsetof(struct evidence_file, content_type), 1, 40},
    {"content", WIRE_STR, WIRE_REQUIRED, offsetof(struct evidence_file, content), 0, 0},
};

/* Decodes the content to the end of `bytes`; *ret_at is where it begins. */
static err_t decode_file(json_t *json, const char *prefix, struct evidence_file *f,
                         struct buf *bytes, size_t *ret_at, struct err_info *reterr)
{
    char param[40];
    (void)snprintf(param, sizeof param, "%s.content", prefix);
    if (!json_is_object(json))
        return error_param(reterr, ERR_PARAM_INVALID, prefix, "must be an object");
    err_t err = wire_read_in(json, prefix, file_fields, COUNT_OF(file_fields), f, reterr);
    if (err)
        return err;
    *ret_at = bytes->n;
    if (f->content.n == 0 || !crypto_base64_decode(f->content, bytes))
        return error_param(reterr, ERR_PARAM_INVALID, param, "must be base64, with padding");
    if (bytes->n - *ret_at > EVIDENCE_FILE_MAX)
        return error_param(reterr, ERR_PARAM_INVALID, param, "may have at most %zu bytes",
                           EVIDENCE_FILE_MAX);
    return bytes->failed ? ERR_NO_MEMORY : OK;
}

/* Contents lie one after the other in call->details. */
static err_t read_files(struct call *call, json_t *files, struct evidence_input *in)
{
    struct err_info *reterr = &call->error;
    struct buf *bytes = &call->details;
    char prefix[EVIDENCE_FILES_MAX][24];
    size_t n = json_array_size(files), at[EVIDENCE_FILES_MAX + 1] = {0};
    err_t err = OK;
    if (files && !json_is_array(files))
        return error_param(reterr, ERR_PARAM_INVALID, "files", "must be a list");
    if (n > EVIDENCE_FILES_MAX)
        return error_param(reterr, ERR_PARAM_INVALID, "files", "at most %d files",
                           EVIDENCE_FILES_MAX);
    bytes->max = call->req->body.n;
    for (size_t i = 0; !err && i < n; i++) {
        (void)snprintf(prefix[i], sizeof prefix[i], "files.%zu", i);
        err =
            decode_file(json_array_get(files, i), prefix[i], &in->files[i], bytes, &at[i], reterr);
        at[i + 1] = bytes->n;
    }
    for (size_t i = 0; !err && i < n; i++) { /* they lie still now */
        in->files[i].content = (struct str){bytes->p + at[i], at[i + 1] - at[i]};
        err = evidence_file_check(&in->files[i], prefix[i], reterr);
    }
    in->files_n = n;
    return err;
}

void on_dispute_evidence(struct http_request *req, void *ctx)
{
    (void)ctx;
    struct call *call = call_of(req);
    struct wire_field fields[FIELDS_MAX + 1];
    struct evidence_body *b = arena_alloc(req->arena, sizeof *b);
    struct evidence_input *in = arena_alloc(req->arena, sizeof *in);
    if (!b || !in) {
        call_fail(call, ERR_NO_MEMORY);
        return;
    }
    if (!call_query(call, (const char *const[]){NULL}) ||
        !call_body(call, fields, evidence_table(fields), b) || !call_id(call, ID_DISPUTE))
        return;
    err_t err = read_files(call, b->files, in);
    if (!err && json_object_size(call->json) == 0)
        err = error_set(&call->error, ERR_PARAM_MISSING, "Give at least one text or file.");
    if (err) {
        call_fail(call, err);
        return;
    }
    in->texts = call->json;
    call->input = in;
    call_flow(call, &dispute_evidence_flow, NULL);
}

/* --- answers --- */

static void start(struct http_request *req, const struct flow_def *def)
{
    struct call *call = call_of(req);
    struct evidence_body none = {.files = NULL};
    if (!call_query(call, (const char *const[]){NULL}) || !call_body(call, NULL, 0, &none) ||
        !call_id(call, ID_DISPUTE))
        return;
    call_flow(call, def, NULL);
}

void on_dispute_submit(struct http_request *req, void *ctx)
{
    (void)ctx;
    start(req, &dispute_submit_flow);
}

void on_dispute_accept(struct http_request *req, void *ctx)
{
    (void)ctx;
    start(req, &dispute_accept_flow);
}
