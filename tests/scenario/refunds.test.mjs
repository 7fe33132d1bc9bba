// Refunds: in parts and never more than was taken, later successes and failures, cancels, chargebacks in the way.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  assertCharged, assertOk, assertProblem, balance, bookOf, count, data, newKey, pay, read, readPayment, refund, settledRefund, start,
  times, verifyLedger, waitFor,
} from './support.mjs';
import { request } from '../lib/florin.mjs';

let florin;
before(async () => { florin = await start({ settings: { 'sandbox-slow-ms': 300 } }); });
after(async () => {
  if (florin) await verifyLedger(florin);
  await florin?.stop();
});

const ask = (id, body = {}, options) => florin.post(`/v1/payments/${id}/refund`, body, options);
const readRefund = (id) => read(florin, `/v1/refunds/${id}`);
const kinds = async (id) => (await data(florin, `/v1/payments/${id}/journals`)).map((j) => j.kind).reverse();
const paid = (token, more) => pay(florin, { payment_method_token: `pm_tok_${token}`, amount: 1000, ...more });
const cancel = (id, options) => florin.post(`/v1/refunds/${id}/cancel`, {}, options);

// Events of an object, oldest first.
async function events(id) {
  const all = await data(florin, '/v1/events?limit=100');
  return all.filter((e) => e.data.id === id).map((e) => e.type).reverse();
}

// The provider decides a refund that waits.
async function decide(id, result) {
  const answer = await request(`${florin.sandbox}/control/refunds/${id}`, {
    method: 'POST', body: JSON.stringify({ result }), headers: { 'Content-Type': 'application/json' },
  });
  assert.ok(answer.status < 300, `${answer.status} ${answer.text}`);
}

// The position is free most of the time, and busy while it is being asked about.
const canceled = (id, options) => waitFor(async () => {
  const answer = await cancel(id, options);
  return !(answer.status === 409 && answer.headers['retry-after']) && answer;
});

// --- sums ---

test('refunds in parts, until nothing is left', async () => {
  const { id } = await paid('visa');
  const first = await refund(florin, id, { amount: 300, reason: 'too late', metadata: { shelf: '7' } });
  assert.equal(first.status, 'succeeded');
  assert.match(first.acquirer_reference, /^\d{23}$/);
  assert.equal((await readPayment(florin, id)).status, 'captured');
  assertProblem(await ask(id, { amount: 701 }), 400, 'parameter_invalid', { param: 'amount' });
  await refund(florin, id, { amount: 200 });
  assert.equal((await refund(florin, id)).amount, 500);
  const now = await readPayment(florin, id);
  assert.equal(now.status, 'refunded');
  assert.equal(now.amount_refunded, 1000);
  assertProblem(await ask(id, { amount: 1 }), 409, 'state_conflict');
  await assertCharged(florin, id, { captured: 1000, refunded: 1000 });
});

test('a refund is found by its references and its metadata', async () => {
  const { id } = await paid('visa'), mark = newKey();
  const made = await refund(florin, id, { amount: 10, metadata: { mark } });
  for (const query of [`reference=${made.acquirer_reference}`, `reference=${made.provider_reference}`, `metadata[mark]=${mark}`])
    assert.deepEqual((await data(florin, `/v1/refunds?${query}`)).map((r) => r.id), [made.id], query);
  assert.deepEqual(await data(florin, '/v1/refunds?reference=nothing'), []);
});

test('two refunds of 60 of 100 at once: one wins', async () => {
  for (let round = 0; round < 10; round++) {
    const { id } = await paid('visa', { amount: 100 });
    const answers = await times(2, () => ask(id, { amount: 60 }));
    assert.deepEqual(answers.map((a) => a.status).sort(), [200, 400], JSON.stringify(answers.map((a) => a.text)));
    await assertCharged(florin, id, { captured: 100, refunded: 60 });
  }
});

test('64 refunds at once never exceed what was captured', async () => {
  const { id } = await paid('visa');
  const answers = await times(64, (i) => ask(id, { amount: 37 + (i % 5) }));
  const sum = answers.filter((a) => a.status === 200).reduce((n, a) => n + a.json.amount, 0);
  assert.ok(sum <= 1000 && sum > 1000 - 42, String(sum));
  for (const a of answers) assert.ok([200, 400, 409].includes(a.status), a.text);
  assert.equal((await readPayment(florin, id)).amount_refunded, sum);
  await assertCharged(florin, id, { captured: 1000, refunded: sum });
});

test('a partially captured payment is refunded up to what was captured', async () => {
  const { id } = await paid('visa', { capture: false });
  assertProblem(await ask(id), 409, 'state_conflict');
  assertOk(await florin.post(`/v1/payments/${id}/capture`, { amount: 400 }));
  assertProblem(await ask(id, { amount: 401 }), 400, 'parameter_invalid', { param: 'amount' });
  await refund(florin, id, { amount: 400 });
  const now = await readPayment(florin, id);
  assert.equal(now.status, 'partially_captured');
  assert.equal(now.amount_capturable, 600);
  await assertCharged(florin, id, { captured: 400, refunded: 400 });
});

test('amounts that are none are refused', async () => {
  const { id } = await paid('visa');
  for (const amount of [0, -1, 1.5, '100', 1e15, true])
    assertProblem(await ask(id, { amount }), 400, 'parameter_invalid', { param: 'amount' });
  await assertCharged(florin, id, { captured: 1000, refunded: 0 });
});

// --- later ---

test('a refund may succeed later', async () => {
  const { id } = await paid('refund_pending');
  const { id: rfd, status } = await refund(florin, id, { amount: 400 });
  assert.equal(status, 'pending');
  assert.equal((await readPayment(florin, id)).amount_refunded, 0);
  assertProblem(await ask(id, { amount: 601 }), 400, 'parameter_invalid', { param: 'amount' });
  assert.equal((await settledRefund(florin, rfd)).status, 'succeeded');
  assert.deepEqual(await events(rfd), ['refund.pending', 'refund.succeeded']);
  await assertCharged(florin, id, { captured: 1000, refunded: 400 });
});

test('a refund may fail later: what it reserved is free again', async () => {
  const { id } = await paid('refund_pending_fails');
  const { id: rfd } = await refund(florin, id);
  assertProblem(await ask(id, { amount: 1 }), 409, 'state_conflict');
  const failed = await settledRefund(florin, rfd);
  assert.equal(failed.status, 'failed');
  assert.equal(failed.decline_code, 'do_not_honor');
  assert.deepEqual(await kinds(id), ['sale', 'refund_intent', 'refund_release']);
  await assertCharged(florin, id, { captured: 1000, refunded: 0 });
  await refund(florin, id, { amount: 1 }).catch(() => assert.fail('nothing is reserved any more'));
});

test('a refund may fail after it had succeeded', async () => {
  const currency = 'NOK', { id } = await paid('refund_fails_later', { currency });
  const made = await refund(florin, id);
  assert.equal(made.status, 'succeeded');
  const failed = await waitFor(async () => {
    const now = await readRefund(made.id);
    return now.status === 'failed' && now;
  });
  assert.ok(failed.decline_code);
  assert.deepEqual(await events(made.id), ['refund.succeeded', 'refund.failed']);
  const now = await readPayment(florin, id);
  assert.equal(now.status, 'captured');
  assert.equal(now.amount_refunded, 0);
  assert.deepEqual(await kinds(id), ['sale', 'refund_intent', 'refund', 'refund_return']);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 1000 });
  assert.deepEqual(await balance(florin, 'refunds', currency), { pending: 0, posted: 0 });
  await assertCharged(florin, id, { captured: 1000, refunded: 0 });
});

// --- cancels ---

test('a pending refund is canceled', async () => {
  const { id } = await paid('refund_stays_pending');
  const { id: rfd } = await refund(florin, id, { amount: 400 }), key = newKey();
  const answer = await canceled(rfd, { idempotencyKey: key });
  assert.equal(assertOk(answer).status, 'canceled');
  assert.equal((await cancel(rfd, { idempotencyKey: key })).text, answer.text);
  assert.deepEqual(await events(rfd), ['refund.pending', 'refund.canceled']);
  assert.deepEqual(await kinds(id), ['sale', 'refund_intent', 'refund_release']);
  assertProblem(await cancel(rfd), 409, 'state_conflict');
  assert.equal((await refund(florin, id)).amount, 1000);
});

test('what is done cannot be canceled', async () => {
  const { id } = await paid('visa');
  const { id: rfd } = await refund(florin, id, { amount: 400 });
  assert.match(assertProblem(await cancel(rfd), 409, 'state_conflict').detail, /succeeded/);
  assertProblem(await cancel(rfd.replace(/.{4}$/, '0000')), 404, 'not_found');
});

test('a cancel that comes too late says so, and the refund ends as the provider says', async () => {
  const quiet = await start({ settings: { 'inquiry-delay-ms': 60000, 'inquiry-backoff-max-ms': 60000, 'sandbox-webhooks': false } });
  try {
    const { id } = await pay(quiet, { payment_method_token: 'pm_tok_refund_stays_pending', amount: 1000 });
    const { id: rfd } = await refund(quiet, id, { amount: 400 });
    const answer = await request(`${quiet.sandbox}/control/refunds/${rfd}`, {
      method: 'POST', body: '{"result":"approved"}', headers: { 'Content-Type': 'application/json' },
    });
    assert.ok(answer.status < 300, answer.text);
    assert.match(assertProblem(await quiet.post(`/v1/refunds/${rfd}/cancel`), 409, 'state_conflict').detail, /no longer/);
    assert.equal((await settledRefund(quiet, rfd)).status, 'succeeded');
    assert.equal((await readPayment(quiet, id)).amount_refunded, 400);
    await verifyLedger(quiet);
  } finally {
    await quiet.stop();
  }
});

test('cancels at once: one refund, canceled once', async () => {
  const { id } = await paid('refund_stays_pending');
  const { id: rfd } = await refund(florin, id, { amount: 400 });
  const answers = await times(16, () => canceled(rfd));
  assert.equal(count(answers, (a) => a.status === 200), 1, JSON.stringify(answers.map((a) => a.text)));
  for (const a of answers) assert.ok([200, 409].includes(a.status), a.text);
  assert.deepEqual(await kinds(id), ['sale', 'refund_intent', 'refund_release']);
});

test('a refund that waits ends as the provider decides', async () => {
  for (const [result, status, refunded] of [['approved', 'succeeded', 400], ['refused', 'failed', 0]]) {
    const { id } = await paid('refund_stays_pending');
    const { id: rfd } = await refund(florin, id, { amount: 400 });
    await decide(rfd, result);
    assert.equal((await settledRefund(florin, rfd)).status, status);
    assert.equal((await readPayment(florin, id)).amount_refunded, refunded);
    assert.equal((await bookOf(florin, id))[0].refunded, refunded);
  }
});
