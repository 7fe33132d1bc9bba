// Captures in parts, releases, increments, the end of a hold: sums never exceed what is held, and payment, book and ledger agree.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  assertCharged, assertOk, assertProblem, balance, bookOf, data, newKey, pay, read, readPayment, refund, settled, SLOW, start, times,
  verifyLedger, waitFor,
} from './support.mjs';
import { request } from '../lib/florin.mjs';

let florin; // without the provider's webhooks: what is not known is inquired
before(async () => { florin = await start({ settings: { 'sandbox-webhooks': false } }); });
after(async () => {
  if (florin) await verifyLedger(florin);
  await florin?.stop();
});

// The rest of a test with another that gets them.
async function withWebhooks(run) {
  const quiet = florin;
  florin = await start();
  try {
    await run();
    await verifyLedger(florin);
  } finally {
    await florin.stop();
    florin = quiet;
  }
}

const post = (id, what, body = {}, options) => florin.post(`/v1/payments/${id}/${what}`, body, options);
const ok = async (id, what, body, options) => assertOk(await post(id, what, body, options));
const held = (overrides) => pay(florin, { capture: false, amount: 1000, ...overrides });
const types = async (id) => (await data(florin, `/v1/payments/${id}/events`)).map((e) => e.type.replace('payment.', '')).reverse();
const kinds = async (id) => (await data(florin, `/v1/payments/${id}/journals`)).map((j) => j.kind).reverse();

// The provider's next requests of a kind go wrong.
async function fault(body) {
  const answer = await request(`${florin.sandbox}/control/faults`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
  assert.equal(answer.status, 204, answer.text);
}

function assertSums(payment, { status, capturable, captured, authorized = 1000 }) {
  const shown = JSON.stringify(payment);
  assert.equal(payment.status, status, shown);
  assert.equal(payment.amount_capturable, capturable, shown);
  assert.equal(payment.amount_captured, captured, shown);
  assert.equal(payment.amount_authorized, authorized, shown);
}

// What the provider holds and took is what we say, and never more than was authorized.
async function assertAgreed(id) {
  const now = await readPayment(florin, id), [charge, ...more] = await bookOf(florin, id);
  const shown = JSON.stringify([now, charge]);
  assert.equal(more.length, 0, shown);
  assert.equal(charge.captured, now.amount_captured, shown);
  assert.equal(charge.refunded, now.amount_refunded, shown);
  assert.equal(charge.held, now.amount_capturable, shown);
  assert.equal(charge.amount, now.amount_authorized, shown);
  assert.ok(charge.captured + charge.held + charge.released <= charge.amount, shown);
  return now;
}

// --- captures in parts ---

test('several captures take parts until nothing is held', async () => {
  const currency = 'SEK', { id } = await held({ currency });
  assertSums(await ok(id, 'capture', { amount: 300 }), { status: 'partially_captured', capturable: 700, captured: 300 });
  await assertAgreed(id);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 700, posted: 300 });
  assertSums(await ok(id, 'capture', { amount: 200, final: false }), { status: 'partially_captured', capturable: 500, captured: 500 });
  assertSums(await ok(id, 'capture'), { status: 'captured', capturable: 0, captured: 1000 });
  await assertAgreed(id);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 1000 });
  assert.deepEqual(await types(id), ['authorized', 'partially_captured', 'partially_captured', 'captured']);
  assert.deepEqual(await kinds(id), ['authorization', 'capture', 'capture', 'capture']);
  assert.match(assertProblem(await post(id, 'capture', { amount: 1 }), 409, 'state_conflict').detail, /captured/);
});

test('parts that add up to the whole end the hold without final', async () => {
  const { id } = await held();
  await ok(id, 'capture', { amount: 999 });
  assertSums(await ok(id, 'capture', { amount: 1 }), { status: 'captured', capturable: 0, captured: 1000 });
  await assertCharged(florin, id, { captured: 1000 });
});

test('a final capture releases the rest', async () => {
  const currency = 'NOK', { id } = await held({ currency });
  await ok(id, 'capture', { amount: 100 });
  const now = await ok(id, 'capture', { amount: 300, final: true });
  assertSums(now, { status: 'captured', capturable: 0, captured: 400 });
  assert.equal(now.amount, 1000);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 400 });
  const charge = await assertCharged(florin, id, { captured: 400 });
  assert.equal(charge.released, 600);
  assertProblem(await post(id, 'capture', { amount: 1 }), 409, 'state_conflict');
  assertProblem(await post(id, 'refund', { amount: 401 }), 400, 'parameter_invalid', { param: 'amount' });
  await refund(florin, id);
  assert.equal((await readPayment(florin, id)).status, 'refunded');
});

test('no more than what is held can be captured, and the refusal says how much that is', async () => {
  const { id } = await held();
  await ok(id, 'capture', { amount: 600 });
  for (const amount of [401, 600, 1000])
    assert.match(assertProblem(await post(id, 'capture', { amount }), 400, 'parameter_invalid', { param: 'amount' }).detail, /400/);
  assertSums(await assertAgreed(id), { status: 'partially_captured', capturable: 400, captured: 600 });
});

test('nothing and less than nothing are never captured, released or added', async () => {
  const { id } = await held();
  await ok(id, 'capture', { amount: 100 });
  for (const what of ['capture', 'cancel', 'increment'])
    for (const amount of [0, -1, -100, -900, -9007199254740991, 0.5, '1'])
      assertProblem(await post(id, what, { amount }), 400, 'parameter_invalid', { param: 'amount' });
  assertSums(await assertAgreed(id), { status: 'partially_captured', capturable: 900, captured: 100 });
});

test('a capture with a key is repeated without being done again', async () => {
  const { id } = await held(), key = newKey();
  const first = await post(id, 'capture', { amount: 100 }, { idempotencyKey: key });
  await ok(id, 'capture', { amount: 200 });
  const again = await post(id, 'capture', { amount: 100 }, { idempotencyKey: key });
  assert.equal(again.text, first.text);
  assert.equal(again.headers['idempotent-replayed'], 'true');
  assertSums(await assertAgreed(id), { status: 'partially_captured', capturable: 700, captured: 300 });
});

test('a partially captured payment can be refunded up to what was captured, and goes on', async () => {
  const { id } = await held();
  await ok(id, 'capture', { amount: 300 });
  await refund(florin, id, { amount: 300 });
  assert.equal((await readPayment(florin, id)).status, 'partially_captured', 'something is held');
  assertProblem(await post(id, 'refund', { amount: 1 }), 409, 'state_conflict');
  await ok(id, 'capture', { amount: 100 });
  await refund(florin, id);
  await assertAgreed(id);
  const now = await ok(id, 'cancel', { amount: 600 });
  assertSums(now, { status: 'refunded', capturable: 0, captured: 400 });
  assert.equal(now.amount_refunded, 400);
  await assertCharged(florin, id, { captured: 400, refunded: 400 });
});

test('a payment has a thousand operations at most', async () => {
  const { id } = await held({ amount: 2000 });
  let last;
  for (let i = 1; i < 1000; i++) last = await ok(id, 'capture', { amount: 1 });
  assert.equal(last.amount_captured, 999);
  for (const what of ['capture', 'cancel'])
    assert.match(assertProblem(await post(id, what, { amount: 1 }), 409, 'state_conflict').detail, /1000 operations/);
  assert.equal((await data(florin, `/v1/payments/${id}/journals`)).length, 1000);
  assert.equal((await data(florin, `/v1/payments/${id}/events`)).length, 1000);
  await refund(florin, id, { amount: 999 });
  await assertAgreed(id);
});

// --- racing ---

const LOOPS = 4;
for (let loop = 1; loop <= LOOPS; loop++) {
  test(`two captures of 60 of 100 at once: one wins (${loop})`, async () => {
    const { id } = await held({ amount: 100 });
    const answers = await times(2, () => post(id, 'capture', { amount: 60 }));
    assert.deepEqual(answers.map((a) => a.status === 200).sort(), [false, true]);
    assertSums(await assertAgreed(id), { status: 'partially_captured', capturable: 40, captured: 60, authorized: 100 });
  });

  test(`64 who capture a tenth each until they have it or nothing is left: ten have it (${loop})`, async () => {
    const { id } = await held();
    const won = await times(64, async () => {
      for (;;) {
        const answer = await post(id, 'capture', { amount: 100 });
        if (answer.status === 200) return true;
        assertProblem(answer, 409, 'state_conflict');
        if (!/under way/.test(answer.json.detail)) return false;
        assert.equal(answer.headers['retry-after'], '1');
      }
    });
    assert.equal(won.filter(Boolean).length, 10);
    assertSums(await assertAgreed(id), { status: 'captured', capturable: 0, captured: 1000 });
    assert.deepEqual((await types(id)).slice(-2), ['partially_captured', 'captured']);
  });

  test(`64 captures of 30 of 100, eager: sums never exceed (${loop})`, async () => {
    const { id } = await held({ amount: 100 });
    let sum = 0;
    for (let round = 0; round < 5; round++)
      for (const answer of await times(64, () => post(id, 'capture', { amount: 30 }))) {
        if (answer.status === 200) sum += 30;
        else assert.ok([400, 409].includes(answer.status), answer.text);
      }
    assert.equal(sum, 90);
    assertSums(await assertAgreed(id), { status: 'partially_captured', capturable: 10, captured: 90, authorized: 100 });
  });

  const mixed = async () => {
    const { id } = await held();
    const asks = [['capture', 70], ['cancel', 50], ['increment', 30], ['refund', 20]], sums = { capture: 0, cancel: 0, increment: 0, refund: 0 };
    for (let round = 0; round < 4; round++)
      await times(64, async (i) => {
        const [what, amount] = asks[i % 4], answer = await post(id, what, { amount });
        if (answer.status === 200) sums[what] += amount;
        else assert.ok([400, 409].includes(answer.status), answer.text);
      });
    const now = await assertAgreed(id);
    assert.equal(now.amount, 1000 + sums.increment);
    assert.equal(now.amount_captured, sums.capture);
    assert.equal(now.amount_capturable, 1000 + sums.increment - sums.capture - sums.cancel);
    assert.equal(now.amount_refunded, sums.refund);
  };
  const name = 'captures, releases, increments and refunds all at once, 64 wide: what was answered is what is so';
  test(`${name} (${loop})`, mixed);
  test(`${name}, with webhooks (${loop})`, () => withWebhooks(mixed));
}

// --- releases ---

test('a cancel with an amount releases that part, and the rest can be captured', async () => {
  const currency = 'DKK', { id } = await held({ currency });
  assertSums(await ok(id, 'cancel', { amount: 400, reason: 'one item is sold out' }), { status: 'authorized', capturable: 600, captured: 0 });
  await assertAgreed(id);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 600, posted: 0 });
  assertProblem(await post(id, 'capture', { amount: 601 }), 400, 'parameter_invalid', { param: 'amount' });
  assertSums(await ok(id, 'capture'), { status: 'captured', capturable: 0, captured: 600 });
  await assertAgreed(id);
  assert.deepEqual(await kinds(id), ['authorization', 'cancel', 'capture']);
  assert.match((await read(florin, `/v1/payments/${id}/explain`)).timeline.map((e) => e.detail).join(), /sold out/);
});

test('released part by part, a payment is canceled', async () => {
  const { id } = await held();
  await ok(id, 'cancel', { amount: 1 });
  assert.match(assertProblem(await post(id, 'cancel', { amount: 1000 }), 400, 'parameter_invalid', { param: 'amount' }).detail, /999/);
  assertSums(await ok(id, 'cancel', { amount: 999 }), { status: 'canceled', capturable: 0, captured: 0 });
  await assertCharged(florin, id, { captured: 0, status: 'voided' });
  for (const what of ['capture', 'cancel', 'refund']) assert.match(assertProblem(await post(id, what), 409, 'state_conflict').detail, /canceled/);
});

test('a cancel after a part was captured: 409 with what can be done instead', async () => {
  const { id } = await held();
  await ok(id, 'capture', { amount: 300 });
  const { detail } = assertProblem(await post(id, 'cancel'), 409, 'state_conflict');
  assert.match(detail, /Part of this payment is captured/);
  assert.match(detail, /`amount` \(up to 700\)/);
  assertProblem(await post(id, 'cancel', { amount: 701 }), 400, 'parameter_invalid', { param: 'amount' });
  assertSums(await ok(id, 'cancel', { amount: 200 }), { status: 'partially_captured', capturable: 500, captured: 300 });
  await assertAgreed(id);
  assertSums(await ok(id, 'cancel', { amount: 500 }), { status: 'captured', capturable: 0, captured: 300 });
  await assertAgreed(id);
  assert.match(assertProblem(await post(id, 'cancel'), 409, 'state_conflict').detail, /Refund it instead/);
});

test('a payment that waits for the customer is canceled before anything is held', async () => {
  const { id, status } = await held({ payment_method_token: 'pm_tok_3ds_challenge' });
  assert.equal(status, 'requires_action');
  assert.match(assertProblem(await post(id, 'capture'), 409, 'state_conflict').detail, /customer must act/);
  assertProblem(await post(id, 'cancel', { amount: 10 }), 400, 'parameter_invalid', { param: 'amount' });
  const canceled = await ok(id, 'cancel');
  assertSums(canceled, { status: 'canceled', capturable: 0, captured: 0, authorized: 0 });
  assert.equal(canceled.next_action, null);
  assert.deepEqual(await types(id), ['requires_action', 'canceled']);
  assert.deepEqual(await kinds(id), []);
  for (const what of ['capture', 'cancel', 'confirm']) assertProblem(await post(id, what), 409, 'state_conflict');
  assert.deepEqual(await bookOf(florin, id), [], 'the provider has refused it');
});

for (const [kind, end] of [['error_after', 'canceled'], ['error_before', 'requires_action']])
  test(`the answer to giving up a payment that waits for the customer is lost (${kind}): processing, then ${end}`, async () => {
    const { id } = await held({ payment_method_token: 'pm_tok_3ds_challenge' }), key = newKey();
    await fault({ next: 1, kind, operation: 'void' });
    const first = await post(id, 'cancel', {}, { idempotencyKey: key });
    assert.equal(assertOk(first).status, 'processing');
    assert.equal((await settled(florin, id)).status, end);
    assert.equal((await post(id, 'cancel', {}, { idempotencyKey: key })).text, first.text);
    if (end !== 'canceled') assert.equal((await ok(id, 'cancel')).status, 'canceled');
  });

test('32 cancels of a payment that waits for the customer: one wins', async () => {
  const { id } = await held({ payment_method_token: 'pm_tok_3ds_challenge' });
  const answers = await times(32, () => post(id, 'cancel'));
  assert.equal(answers.filter((a) => a.status === 200).length, 1);
  for (const answer of answers) if (answer.status !== 200) assertProblem(answer, 409, 'state_conflict');
  assert.equal((await readPayment(florin, id)).status, 'canceled');
});

// --- increments ---

test('an increment raises what is held, until something is captured', async () => {
  const currency = 'PLN', { id } = await held({ currency });
  const more = await ok(id, 'increment', { amount: 500 });
  assert.equal(more.amount, 1500);
  assertSums(more, { status: 'authorized', capturable: 1500, captured: 0, authorized: 1500 });
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 1500, posted: 0 });
  await assertAgreed(id);
  await ok(id, 'cancel', { amount: 100 });
  assertSums(await ok(id, 'increment', { amount: 50 }), { status: 'authorized', capturable: 1450, captured: 0, authorized: 1550 });
  await ok(id, 'capture', { amount: 1200 });
  assert.match(assertProblem(await post(id, 'increment', { amount: 1 }), 409, 'state_conflict').detail, /after a capture/);
  assertSums(await ok(id, 'capture'), { status: 'captured', capturable: 0, captured: 1450, authorized: 1550 });
  await assertAgreed(id);
  assert.deepEqual(await kinds(id), ['authorization', 'increment', 'cancel', 'increment', 'capture', 'capture']);
  assertProblem(await post((await pay(florin)).id, 'increment', { amount: 1 }), 409, 'state_conflict');
});

test('an increment that is refused leaves what was held', async () => {
  const { id } = await held({ payment_method_token: 'pm_tok_increment_declined' });
  const problem = assertProblem(await post(id, 'increment', { amount: 500 }), 402, 'payment_declined', { decline: 'not_permitted' });
  assertSums(problem.payment, { status: 'authorized', capturable: 1000, captured: 0 });
  assert.deepEqual(await types(id), ['authorized']);
  assertSums(await ok(id, 'capture'), { status: 'captured', capturable: 0, captured: 1000 });
  await assertAgreed(id);
});

test('an order has room for an increment once', async () => {
  const order = assertOk(await florin.post('/v1/orders', { amount: 1500, currency: 'EUR' })).id;
  const { id } = await held({ order }), reserved = async () => (await read(florin, `/v1/orders/${order}`)).amount_reserved;
  assert.equal(await reserved(), 1000);
  const another = () => florin.post('/v1/payments', {
    amount: 400, currency: 'EUR', payment_method_token: 'pm_tok_visa', order, capture: false,
  });
  assertProblem(await post(id, 'increment', { amount: 501 }), 422, 'unprocessable');
  await fault({ next: 1, kind: 'error_before', operation: 'increment' });
  assert.equal((await ok(id, 'increment', { amount: 400 })).status, 'processing');
  assert.equal(await reserved(), 1400, 'room is kept while the outcome is not known');
  assertProblem(await another(), 422, 'unprocessable');
  await settled(florin, id);
  assert.equal(await reserved(), 1000);
  const answers = await Promise.all([post(id, 'increment', { amount: 400 }), another()]);
  assert.deepEqual(answers.map((a) => a.status).sort(), [200, 422]);
  assert.equal(await reserved(), 1400);
});

// --- outcomes that are not known ---

for (const [what, operation, amount, done] of [
  ['capture', 'capture', 300, { status: 'partially_captured', capturable: 700, captured: 300 }],
  ['cancel', 'void', 300, { status: 'authorized', capturable: 700, captured: 0 }],
  ['increment', 'increment', 300, { status: 'authorized', capturable: 1300, captured: 0, authorized: 1300 }],
]) {
  for (const kind of ['error_after', 'drop_after'])
    test(`${what} of a part whose answer is lost (${kind}): processing, then found out, once`, async () => {
      const { id } = await held();
      await fault({ next: 1, kind, operation });
      const unknown = await ok(id, what, { amount });
      assertSums(unknown, { status: 'processing', capturable: 0, captured: 0 });
      for (const other of ['capture', 'cancel', 'increment'])
        assert.match(assertProblem(await post(id, other, { amount: 1 }), 409, 'state_conflict').detail, /under way/);
      assertSums(await settled(florin, id), done);
      await assertAgreed(id);
      assert.deepEqual((await types(id)).slice(1), ['processing', done.status]);
    });

  test(`${what} of a part that never arrived: processing, then as before, and it can be repeated`, async () => {
    const { id } = await held();
    await fault({ next: 1, kind: 'error_before', operation });
    assert.equal((await ok(id, what, { amount })).status, 'processing');
    assertSums(await settled(florin, id), { status: 'authorized', capturable: 1000, captured: 0 });
    assertSums(await ok(id, what, { amount }), done);
    await assertAgreed(id);
  });
}

test('a lost answer is known from the webhook, without an inquiry', async () => {
  await withWebhooks(async () => {
    for (const [what, operation] of [['increment', 'increment'], ['cancel', 'void'], ['capture', 'capture']]) {
      const { id } = await held();
      await fault({ next: 100, kind: 'error_before', operation: 'inquiry' });
      await fault({ next: 1, kind: 'error_after', operation });
      await ok(id, what, { amount: 300 });
      await settled(florin, id);
      await assertAgreed(id);
      assert.ok((await kinds(id)).includes(what));
    }
  });
});

test('a later capture that never arrived leaves the payment partially captured', async () => {
  const { id } = await held();
  await ok(id, 'capture', { amount: 300 });
  await fault({ next: 1, kind: 'error_before', operation: 'capture' });
  assertSums(await ok(id, 'capture', { amount: 200, final: true }), { status: 'processing', capturable: 0, captured: 300 });
  assertSums(await settled(florin, id), { status: 'partially_captured', capturable: 700, captured: 300 });
  assert.deepEqual(await types(id), ['authorized', 'partially_captured', 'processing', 'partially_captured']);
  await fault({ next: 1, kind: 'error_after', operation: 'capture' });
  await ok(id, 'capture', { amount: 200, final: true });
  assertSums(await settled(florin, id), { status: 'captured', capturable: 0, captured: 500 });
  await assertAgreed(id);
});

test('a refund ends while the outcome of a capture is not known', async () => {
  const { id } = await held();
  await ok(id, 'capture', { amount: 300 });
  await fault({ next: 1, kind: 'error_after', operation: 'refund' });
  assert.equal((await refund(florin, id, { amount: 300 })).status, 'pending');
  await fault({ next: 1, kind: 'error_before', operation: 'capture' });
  await ok(id, 'capture', { amount: 100 });
  assertSums(await settled(florin, id), { status: 'partially_captured', capturable: 700, captured: 300 });
  await waitFor(async () => (await readPayment(florin, id)).amount_refunded === 300);
  assert.equal((await ok(id, 'cancel', { amount: 700 })).status, 'refunded');
  await assertAgreed(id);
});

// --- the end of a hold ---

const expired = (id) => waitFor(async () => {
  const now = await readPayment(florin, id);
  return now.amount_capturable === 0 && now;
}, { timeout: 20000 * SLOW });

test('a hold ends by itself: expired, and a capture is told so', async () => {
  const currency = 'CZK', { id, capture_before: end } = await held({ currency, payment_method_token: 'pm_tok_hold_short' });
  assert.ok(Date.parse(end) - Date.now() < 4000, end);
  const now = await expired(id);
  assertSums(now, { status: 'expired', capturable: 0, captured: 0 });
  assert.equal(now.capture_before, null);
  for (const what of ['capture', 'cancel'])
    assert.match(assertProblem(await post(id, what), 409, 'state_conflict').detail, /expired: its hold has ended/);
  assertProblem(await post(id, 'increment', { amount: 1 }), 409, 'state_conflict');
  assert.deepEqual(await types(id), ['authorized', 'expired']);
  assert.deepEqual(await kinds(id), ['authorization', 'expiry']);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 0 });
  await assertAgreed(id);
  const [attempt] = await data(florin, `/v1/payments/${id}/attempts`);
  assert.equal(attempt.status, 'canceled');
});

test('the end of a hold leaves what was captured', async () => {
  const [part, back] = await times(2, () => held({ payment_method_token: 'pm_tok_hold_short' }));
  for (const { id } of [part, back]) await ok(id, 'capture', { amount: 300 });
  await refund(florin, back.id);
  assertSums(await expired(part.id), { status: 'captured', capturable: 0, captured: 300 });
  assertSums(await expired(back.id), { status: 'refunded', capturable: 0, captured: 300 });
  for (const { id } of [part, back]) {
    await assertAgreed(id);
    assertProblem(await post(id, 'capture', { amount: 1 }), 409, 'state_conflict');
  }
  await refund(florin, part.id, { amount: 300 });
});

test('a hold that ends while an operation is not known yet ends after it', async () => {
  const { id } = await held({ payment_method_token: 'pm_tok_hold_short' });
  await fault({ next: 1, kind: 'error_after', operation: 'capture' });
  await fault({ next: 12, kind: 'error_before', operation: 'inquiry' });
  assert.equal((await ok(id, 'capture', { amount: 300 })).status, 'processing');
  const now = await waitFor(async () => {
    const payment = await readPayment(florin, id);
    return payment.status === 'captured' && payment;
  }, { timeout: 30000 * SLOW });
  assertSums(now, { status: 'captured', capturable: 0, captured: 300 });
  await assertAgreed(id);
});

test('a hold that was captured or released in time does not end again', async () => {
  const [taken, released] = await times(2, () => held({ payment_method_token: 'pm_tok_hold_short' }));
  await ok(taken.id, 'capture');
  await ok(released.id, 'cancel');
  const mark = await held({ payment_method_token: 'pm_tok_hold_short' });
  await expired(mark.id); // begun after them
  assert.deepEqual(await types(taken.id), ['authorized', 'captured']);
  assert.deepEqual(await types(released.id), ['authorized', 'canceled']);
});

const expire = async (id) => {
  const [attempt] = await data(florin, `/v1/payments/${id}/attempts`);
  const answer = await request(`${florin.sandbox}/control/charges/${attempt.id}`, {
    method: 'POST', body: { do: 'expire' }, headers: { 'Content-Type': 'application/json' },
  });
  assert.ok(answer.status < 300, answer.text);
};

test('a hold that the provider ends early ends here when its webhook comes', async () => {
  await withWebhooks(async () => {
    const [none, part] = await times(2, () => held());
    await ok(part.id, 'capture', { amount: 300 });
    for (const { id } of [none, part]) await expire(id);
    assertSums(await expired(none.id), { status: 'expired', capturable: 0, captured: 0 });
    assertSums(await expired(part.id), { status: 'captured', capturable: 0, captured: 300 });
    assert.deepEqual(await kinds(part.id), ['authorization', 'capture', 'expiry']);
    for (const { id } of [none, part]) await assertAgreed(id);
  });
});

test('a hold that the provider ended early and told nobody of is found out by the first capture', async () => {
  const { id } = await held();
  await expire(id);
  assert.equal((await readPayment(florin, id)).status, 'authorized');
  assertProblem(await post(id, 'capture', { amount: 10 }), 402, 'payment_declined', { decline: 'not_permitted' });
  assertSums(await expired(id), { status: 'expired', capturable: 0, captured: 0 });
});

test('a capture that is refused for another reason ends no hold', async () => {
  const { id, capture_before: end } = await held({ payment_method_token: 'pm_tok_capture_declined' });
  for (let i = 0; i < 3; i++) assertProblem(await post(id, 'capture', { amount: 10 }), 402, 'payment_declined', { decline: 'do_not_honor' });
  await expired((await held({ payment_method_token: 'pm_tok_hold_short' })).id); // asked later
  const now = await readPayment(florin, id);
  assertSums(now, { status: 'authorized', capturable: 1000, captured: 0 });
  assert.equal(now.capture_before, end);
  assert.equal((await ok(id, 'cancel')).status, 'canceled');
});

// --- references ---

test('each capture has an acquirer reference that the payment is found by', async () => {
  const { id } = await held();
  const first = await ok(id, 'capture', { amount: 300 });
  assert.match(first.acquirer_reference, /^\d{23}$/);
  const all = await ok(id, 'capture', { amount: 200, final: true });
  assert.equal(all.acquirer_reference, first.acquirer_reference);
  const captures = (await data(florin, `/v1/payments/${id}/journals`)).filter((j) => j.kind === 'capture').map((j) => j.operation);
  assert.equal(captures.length, 2);
  const references = new Set();
  for (const capture of captures) {
    const { json } = await request(`${florin.sandbox}/v2/operations/${capture}`, { headers: { Authorization: 'Bearer sandbox' } });
    references.add(json.acquirer_reference);
    for (const reference of [json.acquirer_reference, json.operation_id])
      assert.deepEqual((await data(florin, `/v1/payments?reference=${reference}`)).map((p) => p.id), [id], reference);
  }
  assert.equal(references.size, 2);
  assert.ok(references.has(first.acquirer_reference));
});
