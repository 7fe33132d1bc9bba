// More of bugs.mjs: mistakes between the roles: links, the vault, what becomes of a card. All in the profile `roles`.

// --- requests with a card in them ---
const egress = [
  {
    name: 'card-gone-is-not-sent', about: 'a request whose answer was lost with the card role counts as not sent', expect: 'I9', edits: [
      { file: 'src/node/card_port.c', from: '.sent = HTTP_LOST, .error = "the card role is gone"', to: '.sent = HTTP_NOT_SENT, .error = "the card role is gone"' },
    ],
  },
  {
    name: 'wall-clock-between-roles', about: 'until when a request must have begun is told by a clock that the other role does not have', expect: 'I9', edits: [
      { file: 'src/node/card_port.c', from: 'return num_max(sys_mono_us() + start_before_us - sys_now_us(), 1);', to: 'return start_before_us;' },
      { file: 'src/card/egress.c', from: 'begin_by_us ? sys_now_us() + begin_by_us - sys_mono_us() : 0;', to: 'begin_by_us;' },
    ],
  },
  {
    name: 'queued-for-the-dead', about: 'what waits for its turn in the client is sent although the node that asked is dead', expect: 'I9', edits: [
      { file: 'src/card/role.c', from: '    http_client_stop(c->client);\n    c->client = NULL;\n    err_t err = http_client_start("acquirers", c->config.calls_max, &c->client, reterr);', to: '    err_t err = c->client ? OK : http_client_start("acquirers", c->config.calls_max, &c->client, reterr);' },
    ],
  },
  {
    name: 'permit-unchecked', about: 'cards go to a host without the operator\'s permit', expect: 'I36', edits: [
      { file: 'src/card/leave.c', from: '    if (says != PERMIT_YES)\n', to: '    if (says != PERMIT_YES && lines.n > 4096)\n' },
    ],
  },
  {
    name: 'permit-of-another', about: 'a permit for another merchant is as good', expect: 'I36', edits: [
      { file: 'src/card/permit.c', from: 'p.merchant_id != q->merchant_id || !str_eq(', to: 'p.merchant_id <= 0 || !str_eq(' },
    ],
  },
  {
    name: 'not-redacted', about: 'a card\'s number stays in the provider\'s answer', expect: 'I28', edits: [
      { file: 'src/card/redact.c', from: 'int found = hide_number(out->p, out->n, c->number);', to: 'int found = c->number[0] ? 0 : hide_number(out->p, out->n, c->number);' },
    ],
  },
  {
    name: 'divided-not-redacted', about: 'only a number without spaces is taken out of the answer', expect: 'I28', edits: [
      { file: 'src/card/redact.c', from: 'const char *next = d > digits ? next_digit(at, end, *d) : at;', to: 'const char *next = *d ? at : next_digit(at, end, *d);' },
    ],
  },
];

// --- what waits for a role to come back (src/link/slot.c) ---
const waiting = [
  {
    name: 'waiting-dropped', about: 'a request that comes while the role is away waits, and is forgotten', expect: 'stop memory', edits: [
      { file: 'src/link/slot.c', from: '        *at = w;\n    }\n    pthread_mutex_unlock(&s->lock);\n    return absent;', to: '        if (!absent)\n            *at = w;\n    }\n    pthread_mutex_unlock(&s->lock);\n    return absent;' },
    ],
  },
  {
    name: 'given-up-and-sent', about: 'what has waited too long is told as never sent, and sent when the role comes back', expect: 'I9', edits: [
      { file: 'src/link/slot.c', from: 'static void give_up(struct link_wait *all)', to: 'static void nobody(const struct link_frame *answer, void *arg)\n{\n    (void)answer, (void)arg;\n}\n\nstatic void give_up(struct link_wait *all)' },
      { file: 'src/link/slot.c', from: '        *at = w->next;\n        w->next = NULL;\n        *last = w;\n        last = &w->next;', to: '        w->done(&link_never_sent, w->arg);\n        w->done = nobody;\n        w->until_us = INT64_MAX;\n        at = &w->next;\n        (void)last;' },
    ],
  },
];

// --- CVCs ---
const cvc = [
  {
    name: 'cvc-used-again', about: 'the vault is not told that a CVC was used', expect: 'I29', edits: [
      { file: 'src/card/egress.c', from: 'if (r->sent != HTTP_NOT_SENT && f->card.cvc[0])', to: 'if (r->sent == HTTP_NOT_SENT && f->card.cvc[0])' },
    ],
  },
];

// --- what the vault keeps ---
const kept = [
  {
    name: 'kept-before-its-row', about: 'a card for a customer is kept for good before there is a row of it', expect: 'I37', edits: [
      { file: 'src/api/cards.c', from: 'link_put_int(&b, now_us + METHOD_KEPT_US);', to: 'link_put_int(&b, id_is_zero(q->token.customer) ? now_us + METHOD_KEPT_US : 0);' },
    ],
  },
  {
    name: 'job-dropped-with-link', about: 'what the vault was to be told is dropped when the link ends', expect: 'I37', edits: [
      { file: 'src/node/card_jobs.c', from: 'int64_t err = a ? link_take_int(&r) : ERR_UNAVAILABLE;\n    bool good = a && link_taken(&r)', to: 'int64_t err = a ? link_take_int(&r) : OK;\n    bool good = (!a || link_taken(&r))' },
    ],
  },
  {
    name: 'vault-away-is-done', about: 'a vault that is away counts as one that has done it', expect: 'I37', edits: [
      { file: 'src/card/pass.c', from: 'reply(c, ways[way].answer, f->call, ERR_UNAVAILABLE);', to: 'reply(c, ways[way].answer, f->call, OK);' },
    ],
  },
  {
    name: 'attached-untold', about: 'the vault is not told that a card was attached', expect: 'I37', edits: [
      { file: 'src/customers/method.c', from: '        err = method_put(tx, merchant_id, r);\n    return err ? err : card_follow(tx, merchant_id, &r->m, det->now_us);', to: '        err = method_put(tx, merchant_id, r);\n    return err;' },
    ],
  },
  {
    name: 'vault-answers-early', about: 'the vault answers before it has committed', expect: 'I37', edits: [
      { file: 'src/vault/serve.c', from: '        if (err)\n            answer(w, ERR_UNAVAILABLE);', to: '        if (err || (w->message != LINK_VAULT_SEAL && w->message != LINK_VAULT_OPEN))\n            answer(w, err ? ERR_UNAVAILABLE : OK);' },
      { file: 'src/vault/serve.c', from: '        note_opened(w);\n    answer(w, err);', to: '        note_opened(w);\n    if (w->message == LINK_VAULT_SEAL || w->message == LINK_VAULT_OPEN)\n        answer(w, err);' },
    ],
  },
  {
    name: 'job-by-a-clock-ahead', about: 'what the vault is to be told waits for hours after a clock that was ahead', expect: 'I37', edits: [
      { file: 'src/customers/card_work.c', from: 'V_INT(now_us + BACKOFF_MAX_US / 5 * 6)', to: 'V_INT(now_us + CARD_WORK_WAIT_US)' },
    ],
  },
  {
    name: 'two-cards-of-a-token', about: 'a client token is good for two cards that come at once', expect: 'I37', edits: [
      { file: 'src/clients/token.c', from: '        return id_eq(ret->payment_method, card)\n                   ? OK', to: '        return ret->state == CLIENT_CARD_GIVEN || id_eq(ret->payment_method, card)\n                   ? OK' },
    ],
  },
];

export const bugs = [...egress, ...waiting, ...cvc, ...kept].map((bug) => ({ ...bug, profile: 'roles' }));
