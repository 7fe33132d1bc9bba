// Mistakes that somebody could make in Florin: the simulator must find each (run-bugs.mjs builds them one by one and looks). `expect`:
// the invariants of docs/invariants.md, or other first words of violations, one of which must tell of it; `edits`: `from` stands exactly once in the file;
// `profile`: only that kind of fault, where the usual mix would take too many seeds; `missed`: why it is known that it is not found.

// --- flow: keys and answers, positions, the janitor ---
const flow = [
  {
    name: 'key-stored-with-answer', about: 'the key is written with the answer, not before the call', expect: 'I8 I9 I10 I12', edits: [
      { file: 'src/flow/answer.c',
        from: `    ASSERT(row != NULL);
    struct id answer_id = row_id(row, 0);
`,
        to: `    if (!row) {
        run->answer_id = run->request.request_id;
        return OK;
    }
    struct id answer_id = row_id(row, 0);
` },
      { file: 'src/flow/answer.c',
        from: `    int64_t changed = 0;
    err_t err = store_exec(tx, SQL_FLOW_INSERT_IDEMPOTENCY, &changed, V_INT(run->merchant_id),
                           V_BLOB(run->request.key_hash, 16), V_ID(&run->request.request_id));
    if (err)
        return err;
    return changed == 1 ? insert_answer(tx, run) : replay(tx, run, ret_replay);
`,
        to: '    return replay(tx, run, ret_replay);\n' },
      { file: 'src/flow/answer.c',
        from: '    ASSERT(!(a->sensitive && a->event_sequence));\n',
        to: `    err_t key = OK;
    if (run->request.keyed)
        key = store_exec(tx, SQL_FLOW_INSERT_IDEMPOTENCY, NULL, V_INT(run->merchant_id),
                         V_BLOB(run->request.key_hash, 16), V_ID(&run->answer_id));
    if (run->request.keyed && !key)
        key = insert_answer(tx, run);
    if (key)
        return key;
` },
    ],
  },
  {
    name: 'answer-before-commit', about: 'a flow answers at the end of its last step, before the commit', expect: 'I14', edits: [
      { file: 'src/flow/flow.c',
        from: '    return run->def->steps[run->step].run(tx, run);\n',
        to: `    err_t err = run->def->steps[run->step].run(tx, run);
    if (!err && run->effect == FLOW_END && run->initial.place.step > 0)
        reply(run, OK); /* what the provider said is so */
    return err;
` },
    ],
  },
  {
    name: 'in-progress-is-new', about: 'a key whose first request is still running starts a second one', expect: 'I8 I9 I10 I12', edits: [
      { file: 'src/flow/answer.c',
        from: `    if (status == 0) {
        run->error.retry_after_s = 1;
        return error_set(&run->error, ERR_IN_PROGRESS,
                         "The first request with this Idempotency-Key has no answer yet.");
    }
`,
        to: '    if (status == 0)\n        return renew(tx, run, answer_id);\n' },
    ],
  },
  {
    name: 'keys-forgotten', about: 'seconds taken for microseconds: a key is forgotten after 2.6 seconds', expect: 'I8 I9 I10 I12', edits: [
      { file: 'src/node/node.c', from: 'INT64_C(86400000000)', to: 'INT64_C(86400)' },
    ],
  },
  {
    name: 'other-body-replayed', about: 'a key with another body gets the first answer', expect: 'I11', edits: [
      { file: 'src/flow/answer.c', from: 'if (fingerprint.n != 16 || memcmp(', to: 'if (fingerprint.n != 16 && memcmp(' },
    ],
  },
  {
    name: 'parked-answer-not-stored', about: 'the answer given while the outcome is unknown is not kept for replays', expect: 'I10', edits: [
      { file: 'src/flow/position.c',
        from: `    run->effect = FLOW_PARK;
    err_t err = flow_store_answer(tx, run);
    if (err)
        return err;
`,
        to: '    run->effect = FLOW_PARK;\n' },
    ],
  },
  {
    name: 'answer-stored-twice', about: 'what the inquiry finds replaces the answer that was given', expect: 'I10', edits: [
      { file: 'src/flow/sql/store_answer.sql', from: ' AND status = 0', to: '' },
    ],
  },
  {
    name: 'replay-says-200', about: 'a replay has the right body and always status 200', expect: 'I10 I14', edits: [
      { file: 'src/flow/answer.c', from: 'a->status = (int)(status < 0 ? -status : status);', to: 'a->status = 200;' },
    ],
  },
  {
    name: 'declines-not-stored', about: 'only successes are kept for replays', expect: 'I10 I16', edits: [
      { file: 'src/flow/answer.c', from: 'a->status == 0 || a->replayed)', to: 'a->status != 200 || a->replayed)' },
    ],
  },
  {
    name: 'answer-id-not-kept', about: 'the position does not say whose answer it owes', expect: 'I10 I16 I25', edits: [
      { file: 'src/flow/position.c', from: '    memcpy(p + AT_ANSWER, run->answer_id.b, 16);\n', to: '' },
    ],
  },
  {
    name: 'unknown-since-not-kept', about: 'the position forgets when the first inquiry was', expect: 'I25', edits: [
      { file: 'src/flow/position.c', from: '    num_put64(p + AT_SINCE, (uint64_t)run->unknown_since_us);\n', to: '' },
    ],
  },
  {
    name: 'not-found-final-early', about: 'milliseconds taken for microseconds: not found is final at once', expect: 'I9', edits: [
      { file: 'src/flow/position.c', from: 'run->call.account) * 1000;', to: 'run->call.account);' },
    ],
  },
  {
    name: 'parked-for-hours', about: 'microseconds multiplied once more: the next inquiry is hours away', expect: 'I25', edits: [
      { file: 'src/flow/position.c',
        from: 'return flow_park_until(tx, run, next_step, run->det.now_us + wait);',
        to: 'return flow_park_until(tx, run, next_step, run->det.now_us + wait * 1000);' },
    ],
  },
  {
    name: 'janitor-skips-last', about: 'the last of the claimed positions is not taken up', expect: 'I25', edits: [
      { file: 'src/flow/flow.c', from: '!err && i < c->n; i++)', to: '!err && i + 1 < c->n; i++)' },
    ],
  },
  {
    name: 'lease-not-passed-on', about: 'a call that waited in the node is sent after its lease ended', expect: 'I9', edits: [
      { file: 'src/flow/flow.c', from: '        run->call.lease_until_us = run->job.due_us;\n', to: '' },
    ],
  },
];

// --- payments: outcomes, states, amounts, events ---
const payments = [
  {
    name: 'position-after-call', about: 'a payment\'s position is written only when the outcome stayed unknown', expect: 'I16 I25', edits: [
      { file: 'src/payments/create.c', from: '    return flow_position(tx, run, CREATE_INQUIRE);\n', to: '    return OK;\n' },
      { file: 'src/payments/authorize.c',
        from: '    return err ? err : flow_park(tx, run, CREATE_INQUIRE);\n',
        to: `    if (!err && id_is_zero(run->job.id))
        err = flow_position(tx, run, CREATE_INQUIRE);
    return err ? err : flow_park(tx, run, CREATE_INQUIRE);
` },
    ],
  },
  {
    name: 'charged-anew', about: 'in place of an inquiry the charge is sent under a new reference', expect: 'I8 I9', edits: [
      { file: 'src/payments/authorize.c',
        from: `        call_prepare(&run->call, OPERATION_AUTHORIZE, &p);
        call_inquire(run, CREATE_SETTLE);
`,
        to: `        p.attempt++;
        call_authorize(run, &p);
        run->effect = FLOW_CALL;
        run->next = CREATE_SETTLE;
` },
    ],
  },
  {
    name: 'refund-flow-unlisted', about: 'the janitor does not know the flow of refunds', expect: 'I25', edits: [
      { file: 'src/payments/flows.c', from: '&refund_create_flow,   &dispute_submit_flow,', to: '&dispute_submit_flow,' },
    ],
  },
  {
    name: 'cancel-kind-copied', about: 'a capture that was left is taken up as a cancellation', expect: 'I9 I25', edits: [
      { file: 'src/payments/cancel.c', from: '.kind = FLOW_KIND_CANCEL,', to: '.kind = FLOW_KIND_CAPTURE,' },
      { file: 'src/flow/flow.c', from: 'ASSERT(config->defs[i]->kind != config->defs[k]->kind);', to: '(void)k;' },
    ],
  },
  {
    name: 'unknown-is-failed', about: 'an unknown outcome is taken for a failure', expect: 'I9', edits: [
      { file: 'src/payments/answer.c', from: '    case OUTCOME_FAILED:\n', to: '    case OUTCOME_UNKNOWN:\n    case OUTCOME_FAILED:\n' },
    ],
  },
  {
    name: 'failed-inquiry-is-final', about: 'an inquiry without an answer is taken for a failure of the payment', expect: 'I9', edits: [
      { file: 'src/payments/answer.c',
        from: '    case OUTCOME_FAILED:\n',
        to: `    case OUTCOME_UNKNOWN:
        if (!run->inquired)
            return VERDICT_OPEN;
        __attribute__((fallthrough));
    case OUTCOME_FAILED:
` },
    ],
  },
  {
    name: 'unsent-inquiry-is-refusal', about: 'an inquiry that could not be sent is taken for a payment that was not sent', expect: 'I9', edits: [
      { file: 'src/payments/answer.c',
        from: 'if (run->inquired || run->call.operation == OPERATION_CONFIRM)', to: 'if (run->call.operation == OPERATION_CONFIRM)' },
    ],
  },
  {
    name: 'gives-up-asking', about: 'after three inquiries without an outcome a payment fails', expect: 'I9', edits: [
      { file: 'src/payments/answer.c',
        from: '    default:\n',
        to: `    default:
        if (run->inquired && run->job.attempts >= 3) {
            o->decline = DECLINE_PROVIDER_TIMEOUT;
            return VERDICT_REFUSED;
        }
` },
    ],
  },
  {
    name: 'pending-is-approved', about: 'what the provider has not decided counts as approved', expect: 'I9', edits: [
      { file: 'src/payments/answer.c',
        from: 'if (o->kind == success || o->kind == also)', to: 'if (o->kind == success || o->kind == also || o->kind == OUTCOME_PENDING)' },
    ],
  },
  {
    name: 'provider-amount-believed', about: 'an answer with another amount is believed', expect: 'I2 I3 I6 I9', edits: [
      { file: 'src/connect/connect.c',
        from: '(o->amount == call->amount && o->currency == call->currency)', to: '(o->amount == call->amount || o->currency == call->currency)' },
      { file: 'src/payments/authorize.c', from: 'p->authorized = p->amount;', to: 'p->authorized = run->outcome.amount;' },
      { file: 'src/payments/authorize.c', from: 'p->captured = taken ? p->amount : 0;', to: 'p->captured = taken ? run->outcome.amount : 0;' },
    ],
  },
  {
    name: 'unknown-told-as-declined', about: 'a payment whose outcome is unknown is answered 402', expect: 'I15', edits: [
      { file: 'src/payments/authorize.c',
        from: `        err = payment_tell(tx, run, p, json);
    return err ? err : flow_park(tx, run, CREATE_INQUIRE);
`,
        to: `        err = payment_tell(tx, run, p, json);
    if (!err)
        err = answer_decline(run, "payment", json, DECLINE_PROVIDER_TIMEOUT,
                             "The provider did not answer.");
    return err ? err : flow_park(tx, run, CREATE_INQUIRE);
` },
    ],
  },
  {
    name: 'unknown-not-saved', about: 'the event of an unknown outcome is appended, the payment is not updated', expect: 'I18', edits: [
      { file: 'src/payments/authorize.c',
        from: `        err = payment_announce(tx, run, p, json);
        if (!err)
            err = payment_save(tx, p);
        return err ? err : answer_event(run, json, p->event_last);
`,
        to: `        err = payment_announce(tx, run, p, json);
        return err ? err : answer_event(run, json, p->event_last);
` },
    ],
  },
  {
    name: 'capture-of-captured', about: 'a captured payment can be captured once more', expect: 'I3 I9 I15 I22', edits: [
      { file: 'src/payments/states.h',
        from: 'X(AUTHORIZED, CAPTURE_START, PROCESSING)', to: 'X(AUTHORIZED, CAPTURE_START, PROCESSING) X(CAPTURED, CAPTURE_START, PROCESSING)' },
      { file: 'src/payments/payment.c',
        from: '    return p->state == PAYMENT_AUTHORIZED || p->state == PAYMENT_PARTIALLY_CAPTURED\n',
        to: '    if (p->state == PAYMENT_CAPTURED)\n        return p->captured;\n    return p->state == PAYMENT_AUTHORIZED || p->state == PAYMENT_PARTIALLY_CAPTURED\n' },
    ],
  },
  {
    name: 'cancel-while-processing', about: 'a payment can be canceled while another operation is under way', expect: 'I9 I16 I22 I25', edits: [
      { file: 'src/payments/states.h',
        from: 'X(AUTHORIZED, CANCEL_START, PROCESSING)', to: 'X(AUTHORIZED, CANCEL_START, PROCESSING) X(PROCESSING, CANCEL_START, PROCESSING)' },
      { file: 'src/payments/payment.c',
        from: '    return p->state == PAYMENT_AUTHORIZED || p->state == PAYMENT_PARTIALLY_CAPTURED\n',
        to: '    return p->state == PAYMENT_AUTHORIZED || p->state == PAYMENT_PARTIALLY_CAPTURED ||\n                   p->state == PAYMENT_PROCESSING\n' },
    ],
  },
  {
    name: 'refusal-untold', about: 'a capture that failed technically after it was processing has no event', expect: 'I18', edits: [
      { file: 'src/payments/operation.c',
        from: `    err_t err = payment_move(p, operation_rest(p), &run->error);
    if (!err)
        err = payment_tell(tx, run, p, json);
`,
        to: `    err_t err = payment_move(p, operation_rest(p), &run->error);
    if (!err && run->outcome.kind == OUTCOME_DECLINED) {
        err = payment_tell(tx, run, p, json);
    } else if (!err) {
        payment_write(&(struct jw){.b = json}, NULL, p, settings_of(run));
        err = payment_save(tx, p);
    }
` },
    ],
  },
  {
    name: 'inquired-capture-unposted', about: 'a capture whose outcome came by an inquiry has no journal', expect: 'I2 I9', edits: [
      { file: 'src/payments/operation.c',
        from: `    if (!err)
        err = payment_post(tx, p, &j, id_derive(p->id, (unsigned)run->number));
`,
        to: `    if (!err && !run->inquired)
        err = payment_post(tx, p, &j, id_derive(p->id, (unsigned)run->number));
` },
    ],
  },
  {
    name: 'operation-reference-reused', about: 'all captures of a payment have one reference, all cancellations too', expect: 'I9', edits: [
      { file: 'src/payments/operation.c',
        from: 'id_text(k->id, id_derive(p->id, (unsigned)run->number), run->call.reference);',
        to: 'id_text(k->id, id_derive(p->id, (unsigned)p->attempt), run->call.reference);' },
    ],
  },
  {
    name: 'capture-under-charge-reference', about: 'a capture is sent under the reference of its charge', expect: 'I9 I25 protocol', edits: [
      { file: 'src/payments/capture.c', from: '.id = ID_CAPTURE,', to: '.id = ID_ATTEMPT,' },
      { file: 'src/payments/operation.c',
        from: 'id_text(k->id, id_derive(p->id, (unsigned)run->number), run->call.reference);',
        to: 'id_text(k->id, id_derive(p->id, (unsigned)(k->id == ID_ATTEMPT ? p->attempt : run->number)),\n            run->call.reference);' },
    ],
  },
  {
    name: 'foreign-payment-shown', about: 'the merchant stands in a join, not in the condition', expect: 'I27', edits: [
      { file: 'src/payments/sql/read_payment.sql', from: 'ON c.merchant_id = p.merchant_id AND', to: 'ON c.merchant_id = $1 AND' },
      { file: 'src/payments/sql/read_payment.sql', from: 'WHERE p.merchant_id = $1 AND p.payment_id = $2', to: 'WHERE p.payment_id = $2' },
    ],
  },
  {
    name: 'half-a-snapshot', about: 'an event is written though there was no memory for its snapshot', expect: 'I14 I18 I20 assertion', edits: [
      { file: 'src/payments/payment.c',
        from: '    if (out->failed)\n        return ERR_NO_MEMORY;\n    struct event_new e', to: '    struct event_new e' },
    ],
  },
];

// --- refunds ---
const refunds = [
  {
    name: 'reservation-missing', about: 'a refund under way reserves nothing', expect: 'I2 I4', edits: [
      { file: 'src/payments/refund_create.c', from: '    p->refund_pending += amount;\n', to: '' },
      { file: 'src/payments/refund.c',
        from: '    ASSERT(p->refund_pending >= r->amount);\n    p->refund_pending -= r->amount;\n    p->refunded += r->amount;\n',
        to: '    p->refunded += r->amount;\n' },
      { file: 'src/payments/refund.c',
        from: '    ASSERT(p->refund_pending >= r->amount);\n    p->refund_pending -= r->amount;\n    ledger_refund_release(',
        to: '    ledger_refund_release(' },
    ],
  },
  {
    name: 'reservation-kept', about: 'a refused refund keeps what it reserved', expect: 'I2 I4', edits: [
      { file: 'src/payments/refund.c',
        from: '    p->refund_pending -= r->amount;\n    ledger_refund_release(', to: '    ledger_refund_release(' },
    ],
  },
  {
    name: 'refunded-early', about: 'a payment is refunded before its last refund has ended', expect: 'I22 I25', edits: [
      { file: 'src/payments/refund.c',
        from: 'bool all = p->refunded == p->captured &&', to: 'bool all = p->refunded + p->refund_pending == p->captured &&' },
    ],
  },
  {
    name: 'refunds-posted-again', about: 'the journal of a refund is over all refunds so far', expect: 'I2 I9', edits: [
      { file: 'src/payments/refund.c',
        from: 'ledger_refund(&j, r->provider_account, r->amount);', to: 'ledger_refund(&j, r->provider_account, p->refunded);' },
    ],
  },
  {
    name: 'full-refund-untold', about: 'no event tells that a payment is refunded', expect: 'I18', edits: [
      { file: 'src/payments/refund.c', from: 'if (!err && p->state != before)', to: 'if (!err && p->state != before && before != PAYMENT_CAPTURED)' },
    ],
  },
  {
    name: 'refund-previous-missing', about: 'a refund\'s later event does not point to its earlier one', expect: 'I18', edits: [
      { file: 'src/payments/refund.c', from: '                          .previous = r->event_last,\n', to: '' },
    ],
  },
  {
    name: 'refund-inquiry-of-payment', about: 'the inquiry about a refund names the payment', expect: 'I9', edits: [
      { file: 'src/payments/refund_create.c',
        from: '        call_inquire(run, REFUND_SETTLE);\n',
        to: '        id_text(ID_REFUND, p.id, run->call.reference);\n        call_inquire(run, REFUND_SETTLE);\n' },
    ],
  },
  {
    name: 'snapshot-leaked', about: 'the snapshot of a full refund is not freed', expect: 'memory', edits: [
      { file: 'src/payments/refund.c', from: '    buf_free(&snapshot);\n', to: '' },
    ],
  },
];

// --- connect and accounts: what reaches the provider, what its answers mean ---
const connect = [
  {
    name: 'timeout-is-not-sent', about: 'a call without an answer counts as not sent', expect: 'I9', edits: [
      { file: 'src/connect/port.c', from: '    else if (r->sent == HTTP_NOT_SENT)\n', to: '    else\n' },
    ],
  },
  {
    name: 'server-error-is-failed', about: 'the connector takes HTTP 500 for a failure', expect: 'I9', edits: [
      { file: 'connectors/sandbox/connector.lua',
        from: '  local a = florin.json_decode(answer.body)\n',
        to: '  if answer.status >= 500 then return { kind = "failed" } end\n  local a = florin.json_decode(answer.body)\n' },
    ],
  },
  {
    name: 'credentials-of-another', about: 'the cache of credentials confuses merchants', expect: 'I9 I27', edits: [
      { file: 'src/api/accounts.c', from: '(uint64_t)merchant * 31 + (uint64_t)number', to: '(uint64_t)merchant / 31 + (uint64_t)number' },
      { file: 'src/api/accounts.c', from: 'bool hit = o->merchant == merchant && o->number', to: 'bool hit = o->number' },
    ],
  },
];

// --- ledger and events ---
const books = [
  {
    name: 'cancel-journal-reversed', about: 'a cancellation debits and credits the wrong way round', expect: 'I2 I9', edits: [
      { file: 'src/ledger/ledger.c',
        from: '    begin(j, JOURNAL_CANCEL);\n    move(j, LAYER_PENDING, unit, amount, ACCOUNT_MERCHANT_PENDING, ACCOUNT_PROVIDER_RECEIVABLE);\n',
        to: '    begin(j, JOURNAL_CANCEL);\n    move(j, LAYER_PENDING, unit, amount, ACCOUNT_PROVIDER_RECEIVABLE, ACCOUNT_MERCHANT_PENDING);\n' },
    ],
  },
  {
    name: 'release-posted', about: 'a refused refund is released in the posted layer', expect: 'I2 I9', edits: [
      { file: 'src/ledger/ledger.c',
        from: '    begin(j, JOURNAL_REFUND_RELEASE);\n    move(j, LAYER_PENDING,', to: '    begin(j, JOURNAL_REFUND_RELEASE);\n    move(j, LAYER_POSTED,' },
    ],
  },
  {
    name: 'tail-counts-twice', about: 'a snapshot\'s last journal is counted again with the tail', expect: 'I2', edits: [
      { file: 'src/ledger/sql/select_tail.sql', from: 'j.number > $2', to: 'j.number >= $2' },
    ],
  },
  {
    name: 'chain-skips-single', about: 'a batch with one event alone is not chained', expect: 'I30 assertion', edits: [
      { file: 'src/ledger/chain.c', from: '    if (n == 0)\n', to: '    if (n < 2)\n' },
    ],
  },
  {
    name: 'leaf-of-neighbour', about: 'an event\'s hash has the merchant\'s event before, not the object\'s', expect: 'I30', edits: [
      { file: 'src/events/events.c', from: 'num_put64(head + 45, (uint64_t)e->previous);', to: 'num_put64(head + 45, (uint64_t)sequence - 1);' },
    ],
  },
];

// --- store: batches, jobs, the disk ---
const store = [
  { // without syncs nothing may be gathered either: readers would look for it
    name: 'sync-normal', about: 'SQLite with synchronous=NORMAL: commits are not synced', expect: 'I9 I14 store', edits: [
      { file: 'src/store/store_sqlite.c', from: '"PRAGMA synchronous=FULL"', to: '"PRAGMA synchronous=NORMAL"' },
      { file: 'src/store/store_sqlite.c', from: '{WRITER, "PRAGMA synchronous", "2"}', to: '{WRITER, "PRAGMA synchronous", "1"}' },
      { file: 'src/store/store_sqlite_vfs.c', from: '#define GATHER_BYTES ((size_t)128 * 1024)', to: '#define GATHER_BYTES ((size_t)1)' },
    ],
  },
  {
    name: 'sync-off', about: 'SQLite with synchronous=OFF: nothing is synced', expect: 'I9 I14 store', edits: [
      { file: 'src/store/store_sqlite.c', from: '"PRAGMA synchronous=FULL"', to: '"PRAGMA synchronous=OFF"' },
      { file: 'src/store/store_sqlite.c', from: '{WRITER, "PRAGMA synchronous", "2"}', to: '{WRITER, "PRAGMA synchronous", "0"}' },
      { file: 'src/store/store_sqlite_vfs.c', from: '#define GATHER_BYTES ((size_t)128 * 1024)', to: '#define GATHER_BYTES ((size_t)1)' },
    ],
  },
  {
    name: 'synced-before-written', about: 'the log is synced before what was gathered is written to it', expect: 'I9 I14', edits: [
      { file: 'src/store/store_sqlite_vfs.c',
        from: '    int rc = pass_on(g);\n    return rc ? rc : g->real->pMethods->xSync(g->real, flags);\n',
        to: '    int rc = g->real->pMethods->xSync(g->real, flags);\n    return rc ? rc : pass_on(g);\n' },
    ],
  },
  {
    name: 'write-error-swallowed', about: 'a write to the log that failed is not reported', expect: 'I14', edits: [
      { file: 'src/store/store_sqlite_vfs.c',
        from: '    return n ? g->real->pMethods->xWrite(g->real, g->bytes, (int)n, g->at) : SQLITE_OK;\n',
        to: '    if (n)\n        (void)g->real->pMethods->xWrite(g->real, g->bytes, (int)n, g->at);\n    return SQLITE_OK;\n' },
    ],
  },
  {
    name: 'failed-operation-kept', about: 'the savepoint of an operation that failed is released, not rolled back', expect: 'I10 I15 I16', edits: [
      { file: 'src/store/store_writer.c', from: 'err ? e->rollback_to(b->conn) : e->release(b->conn)', to: 'e->release(b->conn)' },
    ],
  },
  {
    name: 'changes-overlooked', about: 'what an operation changed before it failed is committed with its batch', expect: 'I10 I15 I16', edits: [
      { file: 'src/store/store_writer.c', from: 'b->conn->engine->changes(b->conn) == changes)', to: 'b->conn->engine->changes(b->conn) >= changes)' },
    ],
  },
  {
    name: 'notes-kept', about: 'the notes of an operation that was rolled back stay', expect: 'I19 I30 assertion', edits: [
      { file: 'src/store/store_writer.c', from: '        w->notes.n = notes;\n', to: '        if (w->notes.n < notes)\n            w->notes.n = notes;\n' },
    ],
  },
  {
    name: 'numbers-kept', about: 'the numbers of an operation that was rolled back are not given again', expect: 'I19 assertion', missed: 'docs/simulator.md', edits: [
      { file: 'src/store/store_sequence.c',
        from: '    for (size_t i = 0; i < l->n; i++)\n        memcpy(l->p[i].taken, l->p[i].stands, sizeof l->p[i].taken);\n', to: '' },
    ],
  },
  {
    name: 'claimed-early', about: 'jobs are claimed 15 seconds before they are due, held ones too', expect: 'I9 I20', edits: [
      { file: 'src/store/sql/select_jobs_due.sql', from: 'due_at <= $2', to: 'due_at <= $2 + 15000000' },
    ],
  },
  {
    name: 'lost-lease-ignored', about: 'a flow ends though it has lost its lease', expect: 'I16 I25', edits: [
      { file: 'src/store/store_job.c',
        from: 'return store_exec_one(tx, SQL_STORE_DELETE_JOB, ERR_LEASE_LOST, V_INT(job->merchant_id),',
        to: 'return store_exec(tx, SQL_STORE_DELETE_JOB, NULL, V_INT(job->merchant_id),' },
    ],
  },
  {
    name: 'leases-of-others-freed', about: 'a node that starts frees the leases of the others', expect: 'I9 I16 I25', edits: [
      { file: 'src/node/node.c',
        from: `    err_t err = store_shared(n->store) ? store_forget_marks(tx, now_us - MARKS_KEPT_US)
                                       : job_free_all(tx, now_us);
`,
        to: `    err_t err = job_free_all(tx, now_us);
    if (!err && store_shared(n->store))
        err = store_forget_marks(tx, now_us - MARKS_KEPT_US);
` },
    ],
  },
];

// --- clocks ---
const clocks = [
  {
    name: 'clock-falls-back', about: 'the clock follows a leap back at once, so that what waits waits for hours', expect: 'I23 I25', edits: [
      { file: 'src/sys/steady.c', from: 'num_max(num_min(ahead, most), -most)', to: 'num_min(ahead, most)' },
    ],
  },
  {
    name: 'updated-goes-back', about: 'a payment is dated by the clock alone, which may have been set back', expect: 'I23', edits: [
      { file: 'src/payments/payment.c', from: 'num_max(ret->updated_us, run->det.now_us);', to: 'run->det.now_us;' },
    ],
  },
  {
    name: 'waits-for-another-clock', about: 'a wait that was set by a clock that was ahead is kept', expect: 'I25', edits: [
      { file: 'src/node/node.c',
        from: '        err = job_not_after(tx, JOB_FLOW, now_us + c->inquiry_backoff_max_ms * 1200);\n', to: '        err = OK;\n' },
    ],
  },
];

// --- webhooks ---
const webhooks = [
  {
    name: 'no-place-no-delivery', about: 'the cursor passes events for whose deliveries there was no place', expect: 'I20', edits: [
      { file: 'src/webhooks/fanout.c',
        from: '    else if (wait == 0)\n        f->left_free = true;\n', to: '    else if (wait == 0)\n        return OK; /* when there is a place */\n' },
    ],
  },
  {
    name: 'any-answer-is-success', about: 'a delivery has succeeded when the endpoint answered 500', expect: 'I20', edits: [
      { file: 'src/webhooks/attempt.c', from: 'result->status >= 200 && result->status <= 299;', to: 'result->status >= 200;' },
    ],
  },
  {
    name: 'signed-with-event-time', about: 'the signature is over the event\'s time, the header has the attempt\'s', expect: 'I20', edits: [
      { file: 'src/webhooks/attempt.c',
        from: 'str_from(id), timestamp_s, buf_view(&a->body)', to: 'str_from(id), event->created_us / 1000000, buf_view(&a->body)' },
    ],
  },
  {
    name: 'no-retry-without-answer', about: 'the job of a delivery ends when the endpoint could not be reached', expect: 'I16 I20', edits: [
      { file: 'src/webhooks/record.c', from: '    if (a->state != DELIVERY_PENDING)\n        return', to: '    if (a->state != DELIVERY_PENDING || a->status == 0)\n        return' },
    ],
  },
  {
    name: 'attempt-not-counted', about: 'each attempt of a delivery is its first', expect: 'I20 I26', edits: [
      { file: 'src/webhooks/record.c', from: 'attempted ? (int64_t)a->made + 1 :', to: 'attempted ? (int64_t)a->made :' },
    ],
  },
  {
    name: 'dropped-attempts-forgotten', about: 'a delivery that is dropped forgets its attempts', expect: 'I20', edits: [
      { file: 'src/webhooks/record.c', from: ': row ? row_int(row, 1) : 0;', to: ': (int64_t)a->made;' },
    ],
  },
  {
    name: 'one-attempt-too-many', about: 'the schedule\'s end is missed by one', expect: 'I26', edits: [
      { file: 'src/webhooks/schedule.c', from: 'if (made >= s->n)', to: 'if (made > s->n)' },
    ],
  },
  {
    name: 'results-dropped', about: 'results that the store did not take are forgotten', expect: 'I20 memory', edits: [
      { file: 'src/webhooks/record.c',
        from: '    if (err)\n        return err;\n    w->det = r.det;\n',
        to: '    if (err) {\n        *list = NULL; /* their leases run out */\n        return err;\n    }\n    w->det = r.det;\n' },
    ],
  },
];

export const bugs = [...flow, ...payments, ...refunds, ...connect, ...books, ...store, ...clocks, ...webhooks];
