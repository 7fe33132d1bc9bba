// More of bugs.mjs: mistakes in what cards need beyond a payment, a capture and a refund.

// --- captures, releases, holds ---
const holds = [
  {
    name: 'capture-sum-unchecked', about: 'captures together may take more than is held', expect: 'I3 assertion', edits: [
      { file: 'src/payments/capture.c', from: 'if (op->amount < 1 || op->amount > held)', to: 'if (op->amount < 1)' },
    ],
  },
  {
    name: 'capture-below-zero', about: 'a capture of nothing, or of less, is let through', expect: 'absurd I3 I9 I15 protocol', edits: [
      { file: 'src/api/payments_operations.c',
        from: '{"amount", WIRE_INT, WIRE_NULLABLE, offsetof(struct capture_body, amount), 1,',
        to: '{"amount", WIRE_INT, WIRE_NULLABLE, offsetof(struct capture_body, amount), -AMOUNT_REQUEST_MAX,' },
      { file: 'src/payments/capture.c', from: 'if (op->amount < 1 || op->amount > held)', to: 'if (op->amount > held)' },
      { file: 'src/payments/capture.c', from: 'ASSERT(op->amount > 0 && op->amount <= held);', to: 'ASSERT(op->amount <= held);' },
      { file: 'src/payments/operation.c', from: '    ASSERT(op.amount > 0);\n', to: '' },
    ],
  },
  {
    name: 'final-keeps-rest', about: 'a final capture does not release the rest', expect: 'I9 I16', edits: [
      { file: 'src/payments/capture.c', from: 'ended = op->final ? held : op->amount;', to: 'ended = op->amount;' },
    ],
  },
  {
    name: 'part-releases-all', about: 'the journal of a release in part is over all that is held', expect: 'I2 I9', edits: [
      { file: 'src/payments/cancel.c', from: 'ledger_cancel(j, p->provider_account, op->amount);', to: 'ledger_cancel(j, p->provider_account, payment_held(p));' },
    ],
  },
  {
    name: 'increment-not-in-amount', about: 'an increment raises what is held, not the amount', expect: 'I3 I9', edits: [
      { file: 'src/payments/increment.c', from: '    p->amount += op->amount;\n', to: '' },
    ],
  },
  {
    name: 'hold-not-watched', about: 'nobody looks when a hold ends', expect: 'I16 I25', edits: [
      { file: 'src/payments/authorize.c', from: '    if (!err)\n        err = hold_watch(tx, run, p);\n', to: '' },
    ],
  },
  {
    name: 'expiry-keeps-attempt', about: 'a hold that ended leaves its attempt authorized', expect: 'I16', edits: [
      { file: 'src/payments/hold.c',
        from: 'err_t err = p->captured > 0 ? OK : attempt_move(tx, run, p, ATTEMPT_DO_CANCEL, NULL);', to: 'err_t err = OK;' },
    ],
  },
];

// --- 3-D Secure ---
const authentication = [
  {
    name: 'retry-keeps-position', about: 'a further attempt leaves the position of the one before', expect: 'I16', edits: [
      { file: 'src/payments/authorize.c', from: 'err_t err = id_is_zero(run->job.id) ? OK : flow_leave(tx, run);', to: 'err_t err = OK;' },
    ],
  },
  {
    name: 'lapse-untold', about: 'when the customer\'s time is over the provider is not told to drop the charge', expect: 'I9', edits: [
      { file: 'src/payments/authenticate.c',
        from: `    if (!settings_of(run)->confirm_on_return) {
        err = attempt_abandon(tx, run, &p, CREATE_DROPPED, CREATE_DROP_INQUIRE);
        goto out;
    }
`,
        to: `    if (!settings_of(run)->confirm_on_return) {
        run->outcome = (struct outcome){.kind = OUTCOME_CANCELED};
        payment_release(&p);
        return create_dropped(tx, run);
    }
` },
    ],
  },
  {
    name: 'late-run-stops-node', about: 'a run that comes late finds another attempt and stops the node', expect: 'assertion', edits: [
      { file: 'src/payments/authorize.c',
        from: '        err = ERR_LEASE_LOST;\n        goto out;\n', to: '        ASSERT(run->number == p.attempt);\n        goto out;\n' },
    ],
  },
  {
    name: 'return-without-key', about: 'the key in the address that customers come back to is not compared', expect: 'return', edits: [
      { file: 'src/payments/links.c',
        from: 'key.n == sizeof expected - 1 && mem_equal_ct(key.p, expected, key.n) == 1;', to: 'key.n == sizeof expected - 1;' },
    ],
  },
];

// --- refunds ---
const refunds = [
  {
    name: 'refunded-while-disputed', about: 'a refund is allowed while a chargeback is open', expect: 'I35', edits: [
      { file: 'src/payments/refund_create.c', from: '    if (p->disputed > 0) {\n', to: '    if (p->disputed < 0) {\n' },
    ],
  },
  {
    name: 'refund-back-kept', about: 'a refund that failed after success stays refunded', expect: 'I4 I9', edits: [
      { file: 'src/payments/refund.c', from: '    p->refunded -= r->amount;\n    ledger_refund_return(', to: '    ledger_refund_return(' },
    ],
  },
  {
    name: 'refund-reference-lost', about: 'the acquirer\'s reference of a refund is not kept', expect: 'I32', edits: [
      { file: 'src/payments/refund.c', from: '    take_reference(r->acquirer_reference, sizeof r->acquirer_reference, o->acquirer_reference);\n', to: '' },
    ],
  },
  {
    name: 'undo-answer-not-kept', about: 'the position of a refund that is being canceled does not say whose answer it owes', expect: 'I10 I16 I25', edits: [
      { file: 'src/payments/refund_cancel.c',
        from: '        err = flow_hold(tx, run, REFUND_INQUIRE); /* with this request\'s answer */\n', to: '' },
    ],
  },
];

// --- disputes ---
const disputes = [
  {
    name: 'dispute-gap', about: 'a word about a dispute is taken before those that came before it', expect: 'I21', profile: 'notices', edits: [
      { file: 'src/payments/dispute_apply.c', from: 'if (!newest && f->version > d->provider_version + 1)', to: 'if (!newest && f->version > d->provider_version + 100)' },
    ],
  },
  {
    name: 'dispute-goes-back', about: 'an earlier word about a dispute that comes late is taken', expect: 'I21', profile: 'notices', edits: [
      { file: 'src/payments/dispute_apply.c', from: 'if (f->version <= d->provider_version)', to: 'if (f->version == d->provider_version)' },
    ],
  },
  {
    name: 'dispute-fee-forgotten', about: 'a lost dispute costs no fee', expect: 'I9', edits: [
      { file: 'src/payments/dispute_apply.c', from: 'ledger_dispute_loss(&j, d->provider_account, d->held, d->fee);', to: 'ledger_dispute_loss(&j, d->provider_account, d->held, 0);' },
    ],
  },
  {
    name: 'dispute-answer-not-kept', about: 'what the inquiry tells about an answer to a dispute is not told to who asked', expect: 'I10 I16 I25', edits: [
      { file: 'src/payments/dispute_answer.c',
        from: '        err = answer_dispute(tx, run);\n        return err ? err : flow_park(tx, run, STEP_INQUIRE);\n    }\n    bool answered',
        to: '        return flow_park(tx, run, STEP_INQUIRE);\n    }\n    bool answered' },
      { file: 'src/payments/dispute_answer.c',
        from: '    if (!err) /* whoever asked may still wait: a crash came between */\n        err = answer_dispute(tx, run);\n', to: '' },
    ],
  },
];

// --- what providers say by themselves ---
const webhooks = [
  {
    name: 'webhook-twice', about: 'a webhook that came before is not recognized', expect: 'I16 I25 I34 assertion', edits: [
      { file: 'src/payments/inbox.c', from: '    if (err || !first)\n        return err;\n', to: '    if (err)\n        return err;\n' },
    ],
  },
  {
    name: 'webhook-stale', about: 'the time in a webhook\'s signature is not looked at', expect: 'I34', edits: [
      { file: 'connectors/sandbox/connector.lua', from: 'if math.abs(age) > TOLERANCE_S then', to: 'if age ~= age then' },
    ],
  },
  {
    name: 'webhook-forged', about: 'any signature will do', expect: 'I34', edits: [
      { file: 'connectors/sandbox/connector.lua', from: '  if not found then return false', to: '  if #macs == 0 then return false' },
    ],
  },
  {
    name: 'webhook-acknowledged-early', about: 'a webhook is acknowledged before the commit', expect: 'I34', edits: [
      { file: 'src/payments/inbox.c',
        from: `    return a.result == INBOX_WAITING ? wait_for_it(tx, run, key, in->record_only)
                                     : update_event(tx, run, &key, a.result, 1);
`,
        to: `    err = a.result == INBOX_WAITING ? wait_for_it(tx, run, key, in->record_only)
                                    : update_event(tx, run, &key, a.result, 1);
    if (!err && run->reply) {
        run->reply(run, OK, run->reply_arg);
        run->reply = NULL;
    }
    return err;
` },
    ],
  },
  {
    name: 'waiting-webhook-is-timer', about: 'what waits is kept like a date, which a clock that was ahead puts off for hours', expect: 'I25', edits: [
      { file: 'src/flow/position.c', from: '&(struct job){.kind = JOB_FLOW, .due_us = due_us});', to: '&(struct job){.kind = JOB_TIMER, .due_us = due_us});' },
    ],
  },
  {
    name: 'clearing-to-merchant', about: 'a difference beyond the tolerance goes to the merchant, not into suspense', expect: 'I9', edits: [
      { file: 'src/payments/clearing.c', from: 'ledger_clearing(&j, p->provider_account, amount - before, reviewed);', to: 'ledger_clearing(&j, p->provider_account, amount - before, false);' },
    ],
  },
];

// --- orders ---
const orders = [
  {
    name: 'order-reservation-kept', about: 'a payment that failed keeps its place in the order', expect: 'I33', edits: [
      { file: 'src/payments/payment.c', from: 'p->state == PAYMENT_FAILED || p->state == PAYMENT_CANCELED ||', to: 'p->state == PAYMENT_CANCELED ||' },
    ],
  },
  {
    name: 'order-overpaid', about: 'an order takes payments beyond its amount', expect: 'I33', edits: [
      { file: 'src/orders/order.c', from: 'if (amount > remaining(&o))', to: 'if (amount > o.amount)' },
    ],
  },
  {
    name: 'increment-kept-in-order', about: 'a place in the order that an increment took is not given back', expect: 'I33', edits: [
      { file: 'src/payments/increment.c', from: 'return reserve(tx, run, p, -op->amount);', to: 'return run->outcome.kind == OUTCOME_INCREMENTED ? reserve(tx, run, p, -op->amount) : OK;' },
    ],
  },
];

export const bugs = [...holds, ...authentication, ...refunds, ...disputes, ...webhooks, ...orders];
