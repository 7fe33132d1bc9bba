// Clearing: the provider settles another amount than was captured; and a whole life told by ledger and explanation.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  assertOk, assertProblem, balance, data, newKey, pay, read, readPayment, refund, start, verifyLedger, waitFor,
} from './support.mjs';
import { request } from '../lib/florin.mjs';

let florin;
before(async () => { florin = await start({ settings: { 'clearing-tolerance-bps': 100 } }); });
after(async () => {
  if (florin) await verifyLedger(florin);
  await florin?.stop();
});

const paid = (token, more) => pay(florin, { payment_method_token: `pm_tok_${token}`, amount: 1000, ...more });
const kinds = async (id) => (await data(florin, `/v1/payments/${id}/journals`)).map((j) => j.kind).reverse();
const cleared = (id, amount) => waitFor(async () => {
  const now = await readPayment(florin, id);
  return now.amount_cleared === amount && now;
}, { message: async () => JSON.stringify(await readPayment(florin, id)) });
const reviewsOf = (id) => data(florin, `/v1/reviews?payment=${id}`);
const resolve = (id, body, options) => florin.post(`/v1/reviews/${id}/resolve`, body, options);
const events = async (id) => (await data(florin, '/v1/events?limit=100')).filter((e) => e.data.id === id).map((e) => e.type).reverse();

async function control(path, body) {
  const answer = await request(`${florin.sandbox}/control/${path}`, {
    method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
  });
  assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.text}`);
}
const attemptOf = (id) => data(florin, `/v1/payments/${id}/attempts`).then((list) => list.at(-1).id);
const clear = async (id, amount) => control(`charges/${await attemptOf(id)}`, { do: 'clear', amount });

test('a small difference is taken as it is, and shown', async () => {
  const currency = 'NOK', { id, amount_cleared } = await paid('amount_shift', { currency });
  assert.equal(amount_cleared, null);
  const now = await cleared(id, 1001);
  assert.equal(now.status, 'captured');
  assert.equal(now.amount_captured, 1000);
  assert.deepEqual(await kinds(id), ['sale', 'clearing']);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 1001 });
  assert.deepEqual(await balance(florin, 'merchant_pending', currency), { pending: 0, posted: -1001 });
  assert.deepEqual(await reviewsOf(id), []);
  assert.match(JSON.stringify((await read(florin, `/v1/payments/${id}/explain`)).ledger), /10\.01 NOK/);
});

test('a large difference lies in suspense until somebody accepts it', async () => {
  const currency = 'SEK', { id } = await paid('amount_shift_large', { currency });
  await cleared(id, 1250);
  assert.deepEqual(await kinds(id), ['sale', 'clearing_review']);
  assert.deepEqual(await balance(florin, 'suspense', currency), { pending: 0, posted: -250 });
  assert.deepEqual(await balance(florin, 'merchant_pending', currency), { pending: 0, posted: -1000 });
  const [review, ...more] = await reviewsOf(id);
  assert.deepEqual(more, []);
  assert.match(review.id, /^rev_/);
  assert.deepEqual([review.object, review.kind, review.status, review.amount_expected, review.amount_seen, review.resolution],
    ['review', 'clearing_amount', 'open', 1000, 1250, null]);
  assert.deepEqual(await events(review.id), ['review.opened']);
  assertProblem(await resolve(review.id, { resolution: 'shrug' }), 400, 'parameter_invalid', { param: 'resolution' });
  assertProblem(await resolve(review.id, {}), 400, 'parameter_missing', { param: 'resolution' });
  const key = newKey(), answer = await resolve(review.id, { resolution: 'accept', note: 'a tip' }, { idempotencyKey: key });
  const closed = assertOk(answer);
  assert.deepEqual([closed.status, closed.resolution, closed.note], ['closed', 'accept', 'a tip']);
  assert.equal((await resolve(review.id, { resolution: 'accept', note: 'a tip' }, { idempotencyKey: key })).text, answer.text);
  assertProblem(await resolve(review.id, { resolution: 'dismiss' }), 409, 'state_conflict');
  assert.deepEqual(await read(florin, `/v1/reviews/${review.id}`), closed);
  assert.deepEqual(await events(review.id), ['review.opened', 'review.closed']);
  assert.deepEqual(await kinds(id), ['sale', 'clearing_review', 'review_accept']);
  assert.deepEqual(await balance(florin, 'suspense', currency), { pending: 0, posted: 0 });
  assert.deepEqual(await balance(florin, 'merchant_pending', currency), { pending: 0, posted: -1250 });
});

test('a difference that is dismissed stays in suspense', async () => {
  const currency = 'DKK', { id } = await paid('amount_shift_large', { currency });
  await cleared(id, 1250);
  const [review] = await reviewsOf(id);
  assert.equal(assertOk(await resolve(review.id, { resolution: 'dismiss' })).resolution, 'dismiss');
  assert.deepEqual(await kinds(id), ['sale', 'clearing_review']);
  assert.deepEqual(await balance(florin, 'suspense', currency), { pending: 0, posted: -250 });
});

test('the same word twice is one; another one later is posted as its difference', async () => {
  const currency = 'CHF', { id } = await paid('visa', { currency });
  await clear(id, 990);
  await cleared(id, 990);
  await clear(id, 990);
  await clear(id, 1005);
  await cleared(id, 1005);
  assert.deepEqual(await kinds(id), ['sale', 'clearing', 'clearing']);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 1005 });
  await clear(id, 500);
  await cleared(id, 500);
  const [review] = await reviewsOf(id);
  assert.deepEqual([review.amount_expected, review.amount_seen], [1005, 500]);
  await clear(id, 700);
  await cleared(id, 700);
  const [again, ...more] = await reviewsOf(id);
  assert.deepEqual([again.id, again.amount_seen, more.length], [review.id, 700, 0]);
  assertOk(await resolve(review.id, { resolution: 'accept' }));
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 700 });
  assert.deepEqual(await balance(florin, 'merchant_pending', currency), { pending: 0, posted: -700 });
  assert.deepEqual(await balance(florin, 'suspense', currency), { pending: 0, posted: 0 });
});

test('the captured amount itself is recorded without a journal', async () => {
  const { id } = await paid('visa');
  await clear(id, 1000);
  await cleared(id, 1000);
  assert.deepEqual(await kinds(id), ['sale']);
});

test('reviews are listed by status and payment', async () => {
  const open = await data(florin, '/v1/reviews?status=open&limit=100'), closed = await data(florin, '/v1/reviews?status=closed&limit=100');
  assert.ok(open.every((r) => r.status === 'open') && closed.length >= 3 && closed.every((r) => r.status === 'closed'));
  assertProblem(await florin.get('/v1/reviews?status=won'), 400, 'parameter_invalid', { param: 'status' });
  assertProblem(await florin.get(`/v1/reviews/${closed[0].id.replace(/.{4}$/, '0000')}`), 404, 'not_found');
});

test('a life with captures, refunds, a lost dispute and another amount is told in order, and the ledger agrees', async () => {
  const currency = 'PLN', { id } = await paid('amount_shift', { currency, capture: false, amount: 10000 });
  assertOk(await florin.post(`/v1/payments/${id}/capture`, { amount: 4000 }));
  assertOk(await florin.post(`/v1/payments/${id}/capture`, { amount: 5000, final: true }));
  await cleared(id, 9001);
  await refund(florin, id, { amount: 1500, reason: 'scratched' });
  await control('disputes', { charge: await attemptOf(id), stage: 'chargeback', reason: 'product_unacceptable', amount: 3000 });
  const d = await waitFor(async () => (await data(florin, `/v1/disputes?payment=${id}`))[0]);
  assertProblem(await florin.post(`/v1/payments/${id}/refund`, { amount: 1 }), 409, 'state_conflict');
  assertOk(await florin.post(`/v1/disputes/${d.id}/evidence`, { uncategorized_text: 'losing_evidence' }));
  assert.equal(assertOk(await florin.post(`/v1/disputes/${d.id}/submit`)).status, 'lost');
  await refund(florin, id, { amount: 500 });
  await verifyLedger(florin);

  // captured 9000, one more settled, 2000 given back, 3000 lost with 1500 of fees
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 9001 - 2000 - 3000 - 1500 });
  assert.deepEqual(await balance(florin, 'disputes_held', currency), { pending: 0, posted: 0 });
  const told = await read(florin, `/v1/payments/${id}/explain`);
  assert.deepEqual(told.ledger, [
    '90.00 PLN was taken.', '10.00 PLN that was held was released.', '20.00 PLN was given back.', '30.00 PLN was lost to disputes.',
    '15.00 PLN of fees for disputes was charged.', 'It was settled with 90.01 PLN.', 'That is 0.01 PLN more than was taken.',
    'In all the provider owes 25.01 PLN for this payment.',
  ]);
  const times = told.timeline.map((e) => Date.parse(e.at));
  assert.deepEqual(times, [...times].sort((a, b) => a - b));
  const what = told.timeline.map((e) => e.what);
  const order = ['payment.created', 'attempt.sent', 'payment.authorized', 'capture.asked', 'payment.partially_captured', 'payment.captured', 'clearing',
    'refund.created', 'refund.succeeded', 'dispute.created', 'dispute.updated', 'dispute.closed'];
  let at = -1;
  for (const name of order) {
    const next = what.indexOf(name, at + 1);
    assert.ok(next > at, `${name} after ${what[at]} in ${what}`);
    at = next;
  }
  const text = told.timeline.map((e) => e.detail).join('\n');
  for (const sentence of ['The capture of 40.00 PLN was asked for', 'The capture of 50.00 PLN: succeeded', '0.01 PLN more than known was settled',
    'The refund of 15.00 PLN succeeded', 'The dispute of 30.00 PLN was opened (product_unacceptable, 13.3)', 'with a fee of 15.00 PLN'])
    assert.ok(text.includes(sentence), `${sentence}\n${text}`);
});
