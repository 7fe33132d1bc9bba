/* Flow dispute_evidence: what the merchant has to say, kept until it is submitted. */
#include <stdio.h>

#include "crypto/crypto.h"
#include "payments/dispute.h"

const struct evidence_field evidence_fields[] = {
    {"product_description", 3000},
    {"customer_name", 255},
    {"customer_email_address", 320},
    {"customer_communication", 5000},
    {"customer_signature", 500},
    {"billing_address", 500},
    {"receipt", 2000},
    {"shipping_address", 500},
    {"shipping_carrier", 100},
    {"shipping_date", 40},
    {"shipping_tracking_number", 100},
    {"service_date", 40},
    {"service_documentation", 3000},
    {"refund_policy", 3000},
    {"refund_policy_disclosure", 3000},
    {"refund_refusal_explanation", 3000},
    {"cancellation_policy", 3000},
    {"cancellation_rebuttal", 3000},
    {"duplicate_charge_id", 100},
    {"duplicate_charge_explanation", 3000},
    {"access_activity_log", 5000},
    {"uncategorized_text", 5000},
};
const size_t evidence_fields_n = COUNT_OF(evidence_fields);

static const char *const purposes[] = {"receipt",
                                       "customer_communication",
                                       "customer_signature",
                                       "shipping_documentation",
                                       "service_documentation",
                                       "refund_policy",
                                       "cancellation_policy",
                                       "duplicate_charge_documentation",
                                       "other"};

/* What a file of that type begins with. */
static const struct {
    const char *type;
    struct str begins;
} file_types[] = {
    {"application/pdf", {"%PDF-", 5}},
    {"image/png", {"\x89PNG\r\n\x1a\n", 8}},
    {"image/jpeg", {"\xff\xd8\xff", 3}},
};

static bool purpose_ok(struct str purpose)
{
    for (size_t i = 0; i < COUNT_OF(purposes); i++)
        if (str_eq(purpose, str_from(purposes[i])))
            return true;
    return false;
}

static bool name_ok(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((uint8_t)name.p[i] < 0x20 || name.p[i] == 0x7f || strchr("/\\\"<>:|?*", name.p[i]))
            return false;
    return name.n > 0 && name.p[0] != '.';
}

err_t evidence_file_check(const struct evidence_file *f, const char *prefix,
                          struct err_info *reterr)
{
    char param[64];
    if (!purpose_ok(f->purpose)) {
        (void)snprintf(param, sizeof param, "%s.purpose", prefix);
        return error_param(reterr, ERR_PARAM_INVALID, param,
                           "must be a purpose that docs/disputes.md lists, such as receipt");
    }
    if (!name_ok(f->name)) {
        (void)snprintf(param, sizeof param, "%s.name", prefix);
        return error_param(reterr, ERR_PARAM_INVALID, param,
                           "must be a plain file name, such as receipt.pdf");
    }
    (void)snprintf(param, sizeof param, "%s.content_type", prefix);
    for (size_t i = 0; i < COUNT_OF(file_types); i++) {
        if (!str_eq(f->content_type, str_from(file_types[i].type)))
            continue;
        if (str_starts(f->content, file_types[i].begins))
            return OK;
        return error_param(reterr, ERR_PARAM_INVALID, param,
                           "the content does not begin as a file of this type does");
    }
    return error_param(reterr, ERR_PARAM_INVALID, param,
                       "must be application/pdf, image/png or image/jpeg");
}

/* --- texts --- */

/* In the order of the table, so that the same texts give the same bytes. */
static err_t merge_texts(struct dispute *d, json_t *texts, struct err_info *reterr)
{
    json_t *all = json_loadb(d->evidence.p, d->evidence.n, 0, NULL);
    if (!all)
        return ERR_NO_MEMORY;
    buf_clear(&d->evidence);
    struct jw w = {.b = &d->evidence};
    jw_object(&w, NULL);
    for (size_t i = 0; i < evidence_fields_n; i++) {
        const char *name = evidence_fields[i].name;
        json_t *given = json_object_get(texts, name);
        json_t *v = given ? given : json_object_get(all, name);
        if (json_string_length(v) > 0) /* null and "" take a text away */
            jw_json(&w, name, v);
    }
    jw_object_end(&w);
    json_decref(all);
    if (d->evidence.failed)
        return error_set(reterr, ERR_PARAM_INVALID,
                         "All texts of the evidence together may have %zu bytes as JSON.",
                         EVIDENCE_TEXT_MAX);
    return OK;
}

/* --- files --- */

struct names {
    const struct evidence_file *file;
    int64_t number, last; /* of the file with that name, 0 none; of the last one */
};

static err_t look(struct store_row *row, void *arg)
{
    struct names *n = arg;
    n->last = row_int(row, 0);
    if (str_eq(row_text(row, 2), n->file->name))
        n->number = n->last;
    return OK;
}

static err_t put_file(struct store_tx *tx, const struct flow_run *run, const struct dispute *d,
                      const struct evidence_file *f, struct err_info *reterr)
{
    struct names n = {.file = f};
    uint8_t hash[32];
    err_t err = store_each(tx, SQL_PAYMENTS_LIST_DISPUTE_FILES, look, &n, V_INT(d->merchant_id),
                           V_ID(&d->id));
    if (err)
        return err;
    int64_t number = n.number ? n.number : n.last + 1;
    if (number > EVIDENCE_FILES_MAX)
        return error_param(reterr, ERR_PARAM_INVALID, "files",
                           "at most %d files; one of the same name takes the place of the other",
                           EVIDENCE_FILES_MAX);
    crypto_sha256(f->content.p, f->content.n, hash);
    return store_exec(tx, SQL_PAYMENTS_UPSERT_DISPUTE_FILE, NULL, V_INT(d->merchant_id),
                      V_ID(&d->id), V_INT(number), V_TEXT(f->purpose), V_TEXT(f->name),
                      V_TEXT(f->content_type), V_INT((int64_t)f->content.n), V_BLOB(hash, 32),
                      V_INT(run->det.now_us), V_BLOB(f->content.p, f->content.n));
}

struct contents {
    struct jw w;
    struct buf text; /* of one file, base64 */
};

static err_t write_content(struct store_row *row, void *arg)
{
    struct contents *c = arg;
    struct str content = row_text(row, 3);
    buf_clear(&c->text);
    crypto_base64(&c->text, content.p, content.n);
    if (c->text.failed)
        return ERR_NO_MEMORY;
    jw_object(&c->w, NULL);
    jw_str(&c->w, "purpose", row_text(row, 0));
    jw_str(&c->w, "name", row_text(row, 1));
    jw_str(&c->w, "content_type", row_text(row, 2));
    jw_str(&c->w, "content", buf_view(&c->text));
    jw_object_end(&c->w);
    return OK;
}

err_t evidence_render(struct store_tx *tx, const struct dispute *d, struct buf *out)
{
    struct contents c = {.w = {.b = out}, .text = BUF(EVIDENCE_FILE_MAX * 2)};
    ASSERT(d->evidence.n >= 2 && d->evidence.p[d->evidence.n - 1] == '}');
    buf_clear(out);
    buf_add(out, d->evidence.p, d->evidence.n - 1);
    c.w.comma = d->evidence.n > 2;
    jw_array(&c.w, "files");
    err_t err = store_each(tx, SQL_PAYMENTS_LIST_DISPUTE_CONTENTS, write_content, &c,
                           V_INT(d->merchant_id), V_ID(&d->id));
    jw_array_end(&c.w);
    buf_byte(out, '}');
    buf_free(&c.text);
    ASSERT(out->n <= EVIDENCE_BYTES_MAX);
    return err ? err : out->failed ? ERR_NO_MEMORY : OK;
}

/* --- the flow --- */

static err_t check(const struct dispute *d, struct err_info *reterr)
{
    if (dispute_waits(d))
        return OK;
    if (d->state == DISPUTE_UNDER_REVIEW)
        return error_set(reterr, ERR_STATE,
                         "Evidence was submitted already; the issuer decides on what it has.");
    return error_set(reterr, ERR_STATE, "A dispute that is %s takes no evidence.",
                     machine_text(&dispute_machine, d->state));
}

static err_t evidence_step(struct store_tx *tx, struct flow_run *run)
{
    const struct evidence_input *in = run->input;
    struct dispute d = {0};
    struct buf json = BUF(JSON_MAX);
    bool replay;
    ASSERT(in != NULL && in->files_n <= EVIDENCE_FILES_MAX);
    err_t err = flow_idempotency(tx, run, &replay);
    if (err || replay)
        return err;
    err = dispute_load_subject(tx, run, run->subject, &d);
    if (!err)
        err = check(&d, &run->error);
    if (!err)
        err = dispute_check_idle(tx, run, &d);
    if (!err)
        err = merge_texts(&d, in->texts, &run->error);
    for (size_t i = 0; !err && i < in->files_n; i++)
        err = put_file(tx, run, &d, &in->files[i], &run->error);
    if (!err)
        err = dispute_files(tx, &d);
    if (!err)
        err = dispute_announce(tx, run, &d, EVENT_DISPUTE_UPDATED, &json);
    if (!err)
        err = dispute_save(tx, &d);
    if (!err)
        err = answer_event(run, &json, d.event_last);
    if (!err)
        err = flow_finish(tx, run);
    dispute_release(&d);
    buf_free(&json);
    return err;
}

static const struct flow_step steps[] = {{"evidence", evidence_step, 0, 0}};
const struct flow_def dispute_evidence_flow = {
    .kind = 0, .name = "dispute_evidence", .steps = steps, .steps_n = COUNT_OF(steps)};
