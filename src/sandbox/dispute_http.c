/* Requests about disputes: what may be in evidence. */
#include "sandbox/sandbox_internal.h"

#include "crypto/crypto.h"

#define BODY_BYTES_MAX (8u << 20)
#define FIELDS_MAX 50
#define FIELD_CODEPOINTS_MAX 20000
#define FILES_MAX 10
#define FILES_BYTES_MAX (5u << 20) /* together, decoded */

struct body {
    struct str reference;
    json_t *evidence;
};
static const struct wire_field fields[] = {
    {"reference", WIRE_STR, WIRE_REQUIRED, offsetof(struct body, reference), 1, REFERENCE_MAX},
    {"evidence", WIRE_OBJECT, WIRE_REQUIRED, offsetof(struct body, evidence), 0, 0},
};
struct file {
    struct str purpose, name, content_type, content;
};
static const struct wire_field file_fields[] = {
    {"purpose", WIRE_STR, WIRE_REQUIRED, offsetof(struct file, purpose), 1, 64},
    {"name", WIRE_STR, WIRE_REQUIRED, offsetof(struct file, name), 1, 255},
    {"content_type", WIRE_STR, WIRE_REQUIRED, offsetof(struct file, content_type), 1, 64},
    {"content", WIRE_STR, WIRE_REQUIRED, offsetof(struct file, content), 0, 0},
};

/* Texts only; two of them decide. */
static err_t read_fields(json_t *evidence, struct evidence *e, struct err_info *info)
{
    const char *name;
    json_t *value;
    if (json_object_size(evidence) > FIELDS_MAX)
        return error_set(info, ERR_PARAM_INVALID, "evidence: at most %d members", FIELDS_MAX);
    json_object_foreach(evidence, name, value)
    {
        const char *text = json_string_value(value);
        if (!text || str_codepoints(str_from(text)) > FIELD_CODEPOINTS_MAX)
            return error_set(info, ERR_PARAM_INVALID,
                             "evidence: each member is a text of up to %d characters",
                             FIELD_CODEPOINTS_MAX);
        e->wins |= strstr(text, "winning_evidence") != NULL;
        e->loses |= strstr(text, "losing_evidence") != NULL;
    }
    return OK;
}

static err_t read_file(json_t *json, size_t *room, struct jw *w, struct err_info *info)
{
    static const char *const types[] = {"application/pdf", "image/png", "image/jpeg"};
    struct file f = {0};
    bool known = false;
    err_t err = wire_read_in(json, "files", file_fields, COUNT_OF(file_fields), &f, info);
    if (err)
        return err;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        known |= str_eq(f.content_type, str_from(types[i]));
    if (!known)
        return error_set(info, ERR_PARAM_INVALID,
                         "files.content_type: application/pdf, image/png or image/jpeg");
    struct buf content = BUF(*room);
    bool decoded = crypto_base64_decode(f.content, &content);
    size_t n = content.n;
    buf_free(&content);
    if (!decoded || n == 0)
        return error_set(info, ERR_PARAM_INVALID,
                         "files.content: base64, and all files together up to %u bytes",
                         FILES_BYTES_MAX);
    *room -= n;
    jw_object(w, NULL);
    jw_str(w, "purpose", f.purpose);
    jw_str(w, "name", f.name);
    jw_str(w, "content_type", f.content_type);
    jw_int(w, "size", (int64_t)n);
    jw_object_end(w);
    return OK;
}

static err_t read_files(struct call *c, json_t *files, struct err_info *info)
{
    struct buf list = BUF(65536);
    struct jw w = {.b = &list};
    size_t room = FILES_BYTES_MAX;
    err_t err = OK;
    if (files && !json_is_null(files) && !json_is_array(files))
        return error_set(info, ERR_PARAM_INVALID, "files: a list");
    if (json_array_size(files) > FILES_MAX)
        return error_set(info, ERR_PARAM_INVALID, "files: at most %d", FILES_MAX);
    jw_array(&w, NULL);
    for (size_t i = 0; i < json_array_size(files) && !err; i++)
        err = read_file(json_array_get(files, i), &room, &w, info);
    jw_array_end(&w);
    c->evidence.files = err || list.failed ? NULL : arena_copy(c->req->arena, list.p, list.n);
    if (!err && !c->evidence.files)
        err = error_set(info, ERR_NO_MEMORY, "There is no memory for this request.");
    buf_free(&list);
    return err;
}

/* The same members and values give the same print, in whichever order they come. */
static err_t take_print(json_t *json, uint8_t out[32], struct err_info *info)
{
    size_t n = json_dumpb(json, NULL, 0, JSON_COMPACT | JSON_SORT_KEYS);
    char *text = n ? mem_alloc(n) : NULL;
    if (!text)
        return error_set(info, ERR_NO_MEMORY, "There is no memory for this request.");
    (void)json_dumpb(json, text, n, JSON_COMPACT | JSON_SORT_KEYS);
    crypto_sha256(text, n, out);
    mem_free(text);
    return OK;
}

static err_t take_evidence(struct call *c, json_t *json, struct err_info *info)
{
    struct body b = {0};
    struct evidence *e = &c->evidence;
    json_t *files = json_incref(json_object_get(json, "files"));
    err_t err = take_print(json, e->fingerprint, info);
    (void)json_object_del(json, "files");
    if (!err)
        err = wire_read(json, fields, COUNT_OF(fields), &b, info);
    if (!err && !reference_valid(b.reference))
        err = error_set(info, ERR_PARAM_INVALID, "reference: 1 to 64 letters, digits, _ and -");
    if (!err)
        err = read_fields(b.evidence, e, info);
    if (!err)
        err = read_files(c, files, info);
    json_decref(files);
    if (err)
        return err;
    struct buf text = BUF(400000);
    struct jw w = {.b = &text};
    jw_json(&w, NULL, b.evidence);
    c->reference = c->charge = arena_copy(c->req->arena, b.reference.p, b.reference.n);
    e->fields = text.failed ? NULL : arena_copy(c->req->arena, text.p, text.n);
    buf_free(&text);
    return c->reference && e->fields
               ? OK
               : error_set(info, ERR_TOO_LARGE, "evidence: too much of it in sum");
}

/* The dispute of the path; answers 404 itself. */
static struct call *begin(struct sandbox *s, struct http_request *req, enum kind kind)
{
    struct call *c = call_new(s, req, kind);
    struct str id = req->params[0];
    if (c && !dispute_id_parse(id, &c->dispute_id)) {
        answer_code(req, 404, "not_found", "There is no such dispute.");
        return NULL;
    }
    if (c)
        c->reference = c->charge = arena_copy(req->arena, id.p, id.n);
    if (c && !c->reference) {
        answer_code(req, 503, "unavailable", "There is no memory for this request.");
        return NULL;
    }
    return c;
}

void dispute_get(struct http_request *req, void *ctx)
{
    struct call *c = begin(ctx, req, KIND_DISPUTE);
    if (c)
        call_begin(c);
}

void dispute_accept_post(struct http_request *req, void *ctx)
{
    struct call *c = begin(ctx, req, KIND_ACCEPT);
    if (c)
        call_begin(c);
}

void dispute_evidence_post(struct http_request *req, void *ctx)
{
    static const struct json_limits limits = {BODY_BYTES_MAX, 4};
    struct err_info info = {0};
    json_t *json = NULL;
    struct call *c = begin(ctx, req, KIND_EVIDENCE);
    if (!c)
        return;
    err_t err = json_read(req->body, &limits, &json, &info);
    if (!err && !json_is_object(json))
        err = error_set(&info, ERR_PARAM_INVALID, "The body is an object.");
    if (!err)
        err = take_evidence(c, json, &info);
    json_decref(json);
    if (!err)
        call_begin(c);
    else
        answer_code(req,
                    err == ERR_NO_MEMORY   ? 503
                    : err == ERR_TOO_LARGE ? 413
                                           : 400,
                    err == ERR_NO_MEMORY ? "unavailable" : "invalid_request", info.detail);
}
