// The provider’s answer is lost. The money is never guessed: processing first, then what really happened, and one charge at most.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  assertCharged, assertNotCharged, assertOk, assertProblem, bookOf, data, newKey, pay, payment, read, readPayment, refund, settled,
  settledRefund, SLOW, start, times, verifyLedger,
} from './support.mjs';
import { request } from '../lib/florin.mjs';

let florin;
before(async () => { florin = await start(); });
after(async () => {
  if (florin) await verifyLedger(florin);
  await florin?.stop();
});

const types = async (id) => (await data(florin, `/v1/payments/${id}/events`)).map((e) => e.type);

for (const token of ['pm_tok_timeout_after', 'pm_tok_error_after'])
  for (const capture of [true, false])
    test(`${token} with capture ${capture}: processing, then found out by the janitor, one charge`, async () => {
      const body = payment({ payment_method_token: token, capture }), key = newKey();
      const first = await florin.post('/v1/payments', body, { idempotencyKey: key });
      const unknown = assertOk(first);
      assert.equal(unknown.status, 'processing');
      assert.equal(unknown.amount_authorized, 0, 'nothing is assumed');
      const now = await settled(florin, unknown.id);
      const status = capture ? 'captured' : 'authorized';
      assert.equal(now.status, status);
      assert.equal(now.amount_captured, capture ? 9232 : 0);
      assert.equal(now.version, 2);
      assert.deepEqual(await types(unknown.id), [`payment.${status}`, 'payment.processing']);
      const charge = await assertCharged(florin, unknown.id, { captured: capture ? 9232 : 0, status });
      assert.equal(charge.calls, 1, 'the charge was asked for once');
      assert.equal((await data(florin, `/v1/payments/${unknown.id}/attempts`)).length, 1, 'no second attempt was made');
      const again = await florin.post('/v1/payments', body, { idempotencyKey: key });
      assert.equal(again.text, first.text);
      assert.equal(again.headers['idempotent-replayed'], 'true');
      if (!capture) assert.equal(assertOk(await florin.post(`/v1/payments/${unknown.id}/capture`, {})).id, unknown.id);
    });

test('pm_tok_timeout_before: processing, then failed, no charge', async () => {
  const unknown = await pay(florin, { payment_method_token: 'pm_tok_timeout_before' });
  assert.equal(unknown.status, 'processing');
  assert.match((await read(florin, `/v1/payments/${unknown.id}/explain`)).summary, /asked by our reference/);
  const now = await settled(florin, unknown.id);
  assert.equal(now.status, 'failed');
  assert.equal(now.decline_code, 'provider_timeout');
  await assertNotCharged(florin, unknown.id);
  assert.equal((await bookOf(florin, unknown.id)).length, 0);
  assert.deepEqual(await types(unknown.id), ['payment.failed', 'payment.processing']);
  assert.deepEqual(await data(florin, `/v1/payments/${unknown.id}/journals`), []);
  const [attempt] = await data(florin, `/v1/payments/${unknown.id}/attempts`);
  assert.equal(attempt.status, 'failed');
});

test('pm_tok_amount_mismatch: the provider charged something else, and that is never success', async () => {
  const unknown = await pay(florin, { payment_method_token: 'pm_tok_amount_mismatch' });
  assert.equal(unknown.status, 'processing');
  for (let i = 0; i < 3; i++) {
    const now = assertOk(await florin.post(`/v1/payments/${unknown.id}/sync`, {}));
    assert.equal(now.status, 'processing');
    assert.equal(now.amount_captured, 0);
  }
  const [attempt] = await data(florin, `/v1/payments/${unknown.id}/attempts`);
  assert.equal(attempt.status, 'unknown');
  assert.equal(attempt.provider_code, 'amount_mismatch');
  assert.deepEqual(await data(florin, `/v1/payments/${unknown.id}/journals`), []);
});

for (const way of ['timeout_after', 'error_after']) {
  test(`pm_tok_capture_${way}: the capture is processing, then captured, once`, async () => {
    const { id } = await pay(florin, { capture: false, payment_method_token: `pm_tok_capture_${way}` });
    const unknown = assertOk(await florin.post(`/v1/payments/${id}/capture`, {}));
    assert.equal(unknown.status, 'processing');
    assert.equal(unknown.amount_authorized, 9232);
    assert.equal(unknown.amount_capturable, 0);
    assertProblem(await florin.post(`/v1/payments/${id}/cancel`, {}), 409, 'state_conflict');
    assert.equal((await settled(florin, id)).status, 'captured');
    await assertCharged(florin, id, { captured: 9232 });
    assert.deepEqual(await types(id), ['payment.captured', 'payment.processing', 'payment.authorized']);
  });

  test(`pm_tok_cancel_${way}: the cancel is processing, then canceled`, async () => {
    const { id } = await pay(florin, { capture: false, payment_method_token: `pm_tok_cancel_${way}` });
    assert.equal(assertOk(await florin.post(`/v1/payments/${id}/cancel`, {})).status, 'processing');
    assertProblem(await florin.post(`/v1/payments/${id}/capture`, {}), 409, 'state_conflict');
    assert.equal((await settled(florin, id)).status, 'canceled');
    await assertCharged(florin, id, { captured: 0 });
  });

  test(`pm_tok_refund_${way}: the refund is pending, then succeeded, once`, async () => {
    const { id } = await pay(florin, { payment_method_token: `pm_tok_refund_${way}` });
    const pending = await refund(florin, id);
    assert.equal(pending.status, 'pending');
    assertProblem(await florin.post(`/v1/payments/${id}/refund`, { amount: 1 }), 409, 'state_conflict');
    assert.equal((await settledRefund(florin, pending.id)).status, 'succeeded');
    assert.equal((await readPayment(florin, id)).status, 'refunded');
    await assertCharged(florin, id, { captured: 9232, refunded: 9232 });
    assert.deepEqual((await data(florin, '/v1/events?limit=100')).filter((e) => e.data.id === pending.id).map((e) => e.type),
      ['refund.succeeded', 'refund.pending']);
  });
}

for (const [what, token] of [['capture', 'pm_tok_capture_declined'], ['cancel', 'pm_tok_cancel_declined']])
  test(`a ${what} that the provider refuses is 402 with the payment, still authorized`, async () => {
    const { id } = await pay(florin, { capture: false, payment_method_token: token });
    const problem = assertProblem(await florin.post(`/v1/payments/${id}/${what}`, {}), 402, 'payment_declined', { decline: 'do_not_honor' });
    assert.equal(problem.payment.id, id);
    assert.equal(problem.payment.status, 'authorized');
    assert.deepEqual(await readPayment(florin, id), problem.payment);
    await assertCharged(florin, id, { captured: 0, status: 'authorized' });
    assert.deepEqual(await types(id), ['payment.authorized'], 'nothing changed, nothing is told');
  });

test('a refund that the provider refuses is 402 with the refund, and nothing is reserved any more', async () => {
  const { id } = await pay(florin, { payment_method_token: 'pm_tok_refund_declined' });
  const problem = assertProblem(await florin.post(`/v1/payments/${id}/refund`, {}), 402, 'payment_declined', { decline: 'do_not_honor' });
  assert.equal(problem.refund.status, 'failed');
  assert.equal(problem.refund.decline_code, 'do_not_honor');
  const now = await readPayment(florin, id);
  assert.equal(now.status, 'captured');
  assert.equal(now.amount_refunded, 0);
  await assertCharged(florin, id, { captured: 9232, refunded: 0 });
  assert.deepEqual((await data(florin, `/v1/payments/${id}/journals`)).map((j) => j.kind), ['refund_release', 'refund_intent', 'sale']);
});

test('sync asks at once, and 16 syncs at once do no harm', async () => {
  const unknown = await pay(florin, { payment_method_token: 'pm_tok_error_after' });
  const answers = await times(16, () => florin.post(`/v1/payments/${unknown.id}/sync`, {}));
  for (const answer of answers) assert.equal(assertOk(answer).id, unknown.id);
  const now = await settled(florin, unknown.id);
  assert.equal(now.status, 'captured');
  await assertCharged(florin, unknown.id, { captured: 9232 });
  assert.deepEqual(await types(unknown.id), ['payment.captured', 'payment.processing']);
});

test('32 lost answers at once are all found out, each charged once', async () => {
  const answers = await times(32, (i) => florin.post('/v1/payments', payment({
    amount: 100 + i, payment_method_token: i % 2 ? 'pm_tok_error_after' : 'pm_tok_timeout_after',
  })));
  for (const answer of answers) {
    const { id, amount } = assertOk(answer);
    assert.equal((await settled(florin, id)).status, 'captured');
    await assertCharged(florin, id, { captured: amount });
  }
});

// The provider's next requests of a kind go wrong.
async function fault(body) {
  const answer = await request(`${florin.sandbox}/control/faults`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
  assert.equal(answer.status, 204, answer.text);
}

test('inquiries that fail are repeated until one is answered', async () => {
  await fault({ next: 2, kind: 'error_before', operation: 'inquiry' });
  await fault({ next: 1, kind: 'drop_before', operation: 'inquiry' });
  const unknown = await pay(florin, { payment_method_token: 'pm_tok_error_after' });
  assert.equal(unknown.status, 'processing');
  assert.equal((await settled(florin, unknown.id)).status, 'captured');
  assert.equal((await assertCharged(florin, unknown.id, { captured: 9232 })).calls, 1);
});

test('a charge that the provider takes after we stopped waiting is not believed to be lost', async () => {
  const late = 1500 * SLOW; // longer than the time-out of the call, with inquiries in between
  await fault({ next: 1, kind: 'delay', ms: late, operation: 'charge' });
  const unknown = await pay(florin);
  assert.equal(unknown.status, 'processing');
  const now = await settled(florin, unknown.id);
  assert.equal(now.status, 'captured');
  assert.equal((await assertCharged(florin, unknown.id, { captured: 9232 })).calls, 1);
  assert.ok(Date.parse(now.updated) - Date.parse(now.created) >= late * 0.9);
});

for (const [what, operation, before, after] of [['capture', 'capture', 'authorized', 'captured'], ['cancel', 'void', 'authorized', 'canceled']])
  test(`a ${what} that never reached the provider: processing, then ${before} again, and it can be repeated`, async () => {
    const { id } = await pay(florin, { capture: false });
    await fault({ next: 1, kind: 'error_before', operation });
    assert.equal(assertOk(await florin.post(`/v1/payments/${id}/${what}`, {})).status, 'processing');
    assert.equal((await settled(florin, id)).status, before);
    assert.equal(assertOk(await florin.post(`/v1/payments/${id}/${what}`, {})).status, after);
    await assertCharged(florin, id, { captured: after === 'captured' ? 9232 : 0 });
  });

test('a provider that comes back after a crash has all it charged, and nothing is lost between', async () => {
  const load = Array.from({ length: 40 }, (_, i) => florin.post('/v1/payments', payment({ amount: 500 + i })));
  await florin.kill9(florin.processes.sandbox);
  const answers = await Promise.all(load);
  await florin.ready();
  for (const answer of answers) {
    const seen = answer.status === 402 ? answer.json.payment : assertOk(answer);
    const now = await settled(florin, seen.id);
    if (now.status === 'captured') await assertCharged(florin, now.id, { captured: now.amount });
    else {
      assert.equal(now.status, 'failed');
      await assertNotCharged(florin, now.id);
    }
  }
  assert.equal((await pay(florin)).status, 'captured');
});

test('the example token of the slow provider is not an unknown one', async () => {
  const paid = await pay(florin, { payment_method_token: 'pm_tok_slow', capture: false });
  assert.equal(paid.status, 'authorized');
  assert.deepEqual(await types(paid.id), ['payment.authorized']);
  assert.equal((await readPayment(florin, paid.id)).version, 1);
});
