/* Idempotency: the key's row, the stored answer, and its replay byte for byte. */
#include "flow/flow_internal.h"

#include "crypto/crypto.h"

static err_t insert_answer(struct store_tx *tx, struct flow_run *run)
{
    run->answer_id = run->request.request_id;
    return store_exec(tx, SQL_FLOW_INSERT_ANSWER, NULL, V_INT(run->merchant_id),
                      V_ID(&run->answer_id),
                      V_BLOB(run->request.fingerprint, sizeof run->request.fingerprint));
}

/* The body of a stored answer: shared with an event, sealed, or plain. */
static err_t load_body(struct store_tx *tx, struct flow_run *run, struct id answer_id, bool sealed,
                       struct str own)
{
    struct flow_answer *a = &run->answer;
    if (a->event_sequence > 0) {
        struct store_row *row;
        err_t err = store_one(tx, SQL_FLOW_READ_EVENT_DATA, &row, V_INT(run->merchant_id),
                              V_INT(a->event_sequence));
        if (err)
            return err;
        ASSERT(row != NULL);
        own = row_text(row, 0);
    }
    if (sealed)
        return crypto_open(run->engine->config.seal_key,
                           (struct str){(const char *)answer_id.b, 16}, own, &a->body);
    buf_add(&a->body, own.p, own.n);
    return a->body.failed ? ERR_NO_MEMORY : OK;
}

static err_t renew(struct store_tx *tx, struct flow_run *run, struct id old)
{
    err_t err =
        store_exec_one(tx, SQL_FLOW_RENEW_IDEMPOTENCY, ERR_SOFT, V_ID(&run->request.request_id),
                       V_INT(run->merchant_id), V_BLOB(run->request.key_hash, 16), V_ID(&old));
    return err ? err : insert_answer(tx, run);
}

static err_t replay(struct store_tx *tx, struct flow_run *run, bool *ret_replay)
{
    struct store_row *row;
    err_t err = store_one(tx, SQL_FLOW_READ_IDEMPOTENCY, &row, V_INT(run->merchant_id),
                          V_BLOB(run->request.key_hash, 16));
    if (err)
        return err;
    ASSERT(row != NULL);
    struct id answer_id = row_id(row, 0);
    if (id_time_ms(answer_id) * 1000 < run->det.now_us - run->engine->config.idempotency_us)
        return renew(tx, run, answer_id);
    struct str fingerprint = row_text(row, 1);
    if (fingerprint.n != 16 || memcmp(fingerprint.p, run->request.fingerprint, 16) != 0)
        return error_set(&run->error, ERR_KEY_REUSED,
                         "The Idempotency-Key belongs to a request with another body.");
    int64_t status = row_int(row, 2);
    if (status == 0) {
        run->error.retry_after_s = 1;
        return error_set(&run->error, ERR_IN_PROGRESS,
                         "The first request with this Idempotency-Key has no answer yet.");
    }
    struct flow_answer *a = &run->answer;
    a->status = (int)(status < 0 ? -status : status);
    a->event_sequence = row_int(row, 3);
    a->replayed = true;
    err = load_body(tx, run, answer_id, status < 0, row_text(row, 4));
    run->effect = FLOW_END;
    *ret_replay = true;
    return err;
}

err_t flow_idempotency(struct store_tx *tx, struct flow_run *run, bool *ret_replay)
{
    ASSERT(run->step == 0);
    *ret_replay = false;
    run->answer_id = (struct id){{0}};
    if (!run->request.keyed)
        return OK;
    int64_t changed = 0;
    err_t err = store_exec(tx, SQL_FLOW_INSERT_IDEMPOTENCY, &changed, V_INT(run->merchant_id),
                           V_BLOB(run->request.key_hash, 16), V_ID(&run->request.request_id));
    if (err)
        return err;
    return changed == 1 ? insert_answer(tx, run) : replay(tx, run, ret_replay);
}

err_t flow_forget(struct store_tx *tx, struct flow_run *run)
{
    if (id_is_zero(run->answer_id) || !run->request.keyed)
        return OK;
    err_t err = store_exec(tx, SQL_FLOW_DELETE_IDEMPOTENCY, NULL, V_INT(run->merchant_id),
                           V_BLOB(run->request.key_hash, 16), V_ID(&run->answer_id));
    if (!err)
        err = store_exec(tx, SQL_FLOW_DELETE_ANSWER, NULL, V_INT(run->merchant_id),
                         V_ID(&run->answer_id));
    run->answer_id = (struct id){{0}};
    return err;
}

err_t flow_store_answer(struct store_tx *tx, struct flow_run *run)
{
    struct flow_answer *a = &run->answer;
    if (a->body.failed) /* half an answer is none, and is not replayed for ever */
        return ERR_NO_MEMORY;
    if (id_is_zero(run->answer_id) || a->status == 0 || a->replayed)
        return OK;
    ASSERT(!(a->sensitive && a->event_sequence));
    struct buf sealed = BUF(FLOW_BODY_MAX + CRYPTO_SEAL_OVERHEAD);
    struct str body = buf_view(&a->body);
    if (a->sensitive) {
        crypto_seal(run->engine->config.seal_key, (struct str){(const char *)run->answer_id.b, 16},
                    body, &sealed);
        body = buf_view(&sealed);
    }
    err_t err = sealed.failed ? ERR_NO_MEMORY
                              : store_exec(tx, SQL_FLOW_STORE_ANSWER, NULL,
                                           V_INT(a->sensitive ? -a->status : a->status),
                                           V_INT(a->event_sequence),
                                           a->event_sequence ? V_NULL : V_BLOB(body.p, body.n),
                                           V_INT(run->merchant_id), V_ID(&run->answer_id));
    /* SQLite was given the bytes only until the statement ended. */
    buf_free(&sealed);
    return err;
}
