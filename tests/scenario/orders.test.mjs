// Orders: several payments, never more than the amount.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  all, assertOk, assertProblem, count, createKey, data, newKey, otherMerchant, pay, payment, read, refund, settled, start, times,
  verifyLedger, wholeBook,
} from './support.mjs';

let florin, other;
before(async () => {
  florin = await start();
  other = await otherMerchant(florin);
});
after(async () => { await florin?.stop(); });

const ID = '0'.repeat(26);
const NONE = '01ABCDEFGH0000000000000000'; // well-formed, and nobody's
const order = async (body = {}, options) => assertOk(await florin.post('/v1/orders', { amount: 10000, currency: 'EUR', ...body }, options));
const now = (id) => read(florin, `/v1/orders/${id}`);
const payFor = (id, amount, more = {}) => florin.post('/v1/payments', payment({ amount, order: id, ...more }));
const act = async (path, body = {}) => assertOk(await florin.post(path, body));

// [status, due, paid, reserved, refunded, remaining]
async function assertOrder(id, ...wanted) {
  const o = await now(id);
  assert.deepEqual([o.status, o.amount_due, o.amount_paid, o.amount_reserved, o.amount_refunded, o.amount_remaining], wanted);
  return o;
}
const refused = (answer, remain) => {
  const problem = assertProblem(answer, 422, 'unprocessable', { param: 'amount' });
  assert.match(problem.detail, new RegExp(`${remain} remain`), 'says how much remains');
};

test('an order is made, read and listed as one object', async () => {
  const { id: customer } = assertOk(await florin.post('/v1/customers', { name: 'Ann' }));
  const made = await order({ customer, reference: 'INV-1', description: 'shoes', metadata: { shop: 'north' } });
  assert.match(made.id, /^ord_[0-9A-Z]{26}$/);
  assert.equal(made.object, 'order');
  assert.equal(made.status, 'open');
  assert.deepEqual([made.amount, made.currency, made.customer, made.reference, made.description, made.metadata],
    [10000, 'EUR', customer, 'INV-1', 'shoes', { shop: 'north' }]);
  await assertOrder(made.id, 'open', 10000, 0, 0, 0, 10000);
  assert.deepEqual(await now(made.id), made);
  assert.deepEqual((await data(florin, '/v1/orders?limit=1'))[0], made);
  const changed = assertOk(await florin.post(`/v1/orders/${made.id}`, { reference: 'INV-1a', metadata: null }));
  assert.deepEqual([changed.reference, changed.description, changed.metadata], ['INV-1a', 'shoes', {}]);
});

test('two payments pay an order; a third is refused', async () => {
  const { id } = await order();
  const one = assertOk(await payFor(id, 6000));
  assert.equal(one.order, id);
  await assertOrder(id, 'open', 4000, 6000, 0, 0, 4000);
  refused(await payFor(id, 4001), 4000);
  assertOk(await payFor(id, 4000));
  await assertOrder(id, 'paid', 0, 10000, 0, 0, 0);
  const problem = assertProblem(await payFor(id, 1), 409, 'state_conflict');
  assert.match(problem.detail, /paid/);
  assert.deepEqual((await data(florin, `/v1/payments?order=${id}`)).map((p) => p.amount), [4000, 6000]);
});

test('what is held is reserved: captured it is paid, released it is free again', async () => {
  const { id } = await order();
  const held = assertOk(await payFor(id, 7000, { capture: false }));
  await assertOrder(id, 'open', 10000, 0, 7000, 0, 3000);
  refused(await payFor(id, 3001), 3000);
  await act(`/v1/payments/${held.id}/cancel`);
  await assertOrder(id, 'open', 10000, 0, 0, 0, 10000);
  const again = assertOk(await payFor(id, 10000, { capture: false }));
  refused(await payFor(id, 1), 0);
  await act(`/v1/payments/${again.id}/capture`);
  await assertOrder(id, 'paid', 0, 10000, 0, 0, 0);
});

test('a part that was captured at last leaves the rest to others', async () => {
  const { id } = await order();
  const held = assertOk(await payFor(id, 10000, { capture: false }));
  await act(`/v1/payments/${held.id}/capture`, { amount: 2500, final: false });
  await assertOrder(id, 'open', 7500, 2500, 7500, 0, 0);
  await act(`/v1/payments/${held.id}/capture`, { amount: 2500, final: true });
  await assertOrder(id, 'open', 5000, 5000, 0, 0, 5000);
});

test('a declined payment reserves nothing', async () => {
  const { id } = await order();
  assertProblem(await payFor(id, 10000, { payment_method_token: 'pm_tok_declined_do_not_honor' }), 402, 'payment_declined');
  await assertOrder(id, 'open', 10000, 0, 0, 0, 10000);
});

test('a payment whose outcome is not known reserves until it is', async () => {
  const { id } = await order();
  const lost = assertOk(await payFor(id, 9000, { payment_method_token: 'pm_tok_timeout_after' }));
  if (lost.status === 'processing') {
    const { amount_reserved: reserved, amount_paid: paid } = await now(id);
    assert.equal(reserved + paid, 9000);
    assert.equal((await payFor(id, 2000)).status, 422);
  }
  assert.equal((await settled(florin, lost.id)).status, 'captured');
  await assertOrder(id, 'open', 1000, 9000, 0, 0, 1000);
});

test('what was refunded is due again', async () => {
  const { id } = await order();
  const paid = assertOk(await payFor(id, 10000));
  await refund(florin, paid.id, { amount: 3000 });
  await assertOrder(id, 'open', 3000, 10000, 0, 3000, 3000);
  refused(await payFor(id, 3001), 3000);
  assertOk(await payFor(id, 3000));
  await assertOrder(id, 'paid', 0, 13000, 0, 3000, 0);
});

test('the customer of an order is its payments\', and no other\'s', async () => {
  const [ann, bob] = await times(2, async (i) => assertOk(await florin.post('/v1/customers', { name: `C${i}` })).id);
  const { id } = await order({ customer: ann });
  assertProblem(await payFor(id, 100, { customer: bob }), 400, 'parameter_invalid', { param: 'order' });
  assert.equal(assertOk(await payFor(id, 100)).customer, ann);
  assert.equal(assertOk(await payFor(id, 100, { customer: ann })).customer, ann);
});

test('an order of a customer who was deleted takes no payment', async () => {
  const { id: gone } = assertOk(await florin.post('/v1/customers', { name: 'Eve' }));
  const { id } = await order({ customer: gone });
  assertOk(await florin.post(`/v1/customers/${gone}/delete`, {}));
  assertProblem(await payFor(id, 100), 400, 'parameter_invalid', { param: 'customer' });
  await assertOrder(id, 'open', 10000, 0, 0, 0, 10000);
});

test('forty payments at once never exceed the order', async () => {
  const { id } = await order();
  const answers = await times(40, (i) => payFor(id, 3001, { capture: i % 2 === 0 }));
  assert.equal(count(answers, (a) => a.status === 200), 3);
  for (const answer of answers) if (answer.status !== 200) refused(answer, 997);
  const o = await now(id);
  assert.equal(o.amount_paid + o.amount_reserved, 9003);
  assert.equal(o.amount_remaining, 997);
  const payments = await all(florin, `/v1/payments?order=${id}`);
  assert.equal(payments.length, 3, 'a refused one leaves no payment');
  const charged = (await wholeBook(florin)).filter((c) => c.amount === 3001 && c.status !== 'refused');
  assert.equal(charged.length, 3, 'and no charge at the provider');
});

test('sixty and sixty of a hundred: one', async () => {
  for (let round = 0; round < 5; round++) {
    const { id } = await order({ amount: 100 });
    const answers = await times(2, () => payFor(id, 60));
    assert.deepEqual(answers.map((a) => a.status).sort(), [200, 422]);
    await assertOrder(id, 'open', 40, 60, 0, 0, 40);
  }
});

test('an order whose payments race with its cancel is one or the other', async () => {
  for (let round = 0; round < 8; round++) {
    const { id } = await order();
    const [canceled, paid] = await Promise.all([florin.post(`/v1/orders/${id}/cancel`, {}), payFor(id, 10000)]);
    assert.deepEqual([canceled.status, paid.status].sort(), [200, 409]);
    assert.equal((await now(id)).status, canceled.status === 200 ? 'canceled' : 'paid');
  }
});

test('cancel: refused while money is held, and when paid; otherwise nothing is taken any more', async () => {
  const { id } = await order();
  const held = assertOk(await payFor(id, 5000, { capture: false }));
  assert.match(assertProblem(await florin.post(`/v1/orders/${id}/cancel`, {}), 409, 'state_conflict').detail, /5000/);
  await act(`/v1/payments/${held.id}/cancel`);
  const part = assertOk(await payFor(id, 2000));
  const canceled = await act(`/v1/orders/${id}/cancel`);
  assert.equal(canceled.status, 'canceled');
  await assertOrder(id, 'canceled', 0, 2000, 0, 0, 0);
  assert.deepEqual(await act(`/v1/orders/${id}/cancel`), canceled, 'twice is once');
  assert.match(assertProblem(await payFor(id, 1), 409, 'state_conflict').detail, /canceled/);
  await refund(florin, part.id);
  await assertOrder(id, 'canceled', 0, 2000, 0, 2000, 0);
  const full = await order();
  assertOk(await payFor(full.id, 10000));
  assertProblem(await florin.post(`/v1/orders/${full.id}/cancel`, {}), 409, 'state_conflict');
});

test('an increment takes no more than remains', async () => {
  const { id } = await order();
  const held = assertOk(await payFor(id, 6000, { capture: false }));
  refused(await florin.post(`/v1/payments/${held.id}/increment`, { amount: 4001 }), 4000);
  await act(`/v1/payments/${held.id}/increment`, { amount: 4000 });
  await assertOrder(id, 'open', 10000, 0, 10000, 0, 0);
  await act(`/v1/payments/${held.id}/capture`);
  await assertOrder(id, 'paid', 0, 10000, 0, 0, 0);
});

test('a key pays an order once', async () => {
  const { id } = await order();
  const idempotencyKey = newKey(), body = payment({ amount: 4000, order: id });
  const first = await florin.post('/v1/payments', body, { idempotencyKey });
  assert.equal((await florin.post('/v1/payments', body, { idempotencyKey })).text, first.text);
  await assertOrder(id, 'open', 6000, 4000, 0, 0, 6000);
  const made = await florin.post('/v1/orders', { amount: 1, currency: 'EUR' }, { idempotencyKey });
  assert.equal((await florin.post('/v1/orders', { amount: 1, currency: 'EUR' }, { idempotencyKey })).text, made.text);
});

test('orders of other merchants and of the other mode are not there', async () => {
  const live = await createKey(florin, '--merchant', florin.merchant_id, '--live');
  const { id } = await order({ reference: 'mine' });
  for (const { key } of [other, live]) {
    assertProblem(await florin.get(`/v1/orders/${id}`, { key }), 404, 'not_found');
    for (const path of [`/v1/orders/${id}`, `/v1/orders/${id}/cancel`])
      assertProblem(await florin.post(path, {}, { key }), 404, 'not_found');
    assertProblem(await florin.post('/v1/payments', payment({ order: id }), { key }), 400, 'parameter_invalid', { param: 'order' });
    assert.deepEqual(await data(florin, '/v1/orders?reference=mine', { key }), []);
    assert.deepEqual(await data(florin, '/v1/orders', { key }), []);
  }
  await assertOrder(id, 'open', 10000, 0, 0, 0, 10000);
});

const wrong = [
  ['no amount', '/v1/orders', { currency: 'EUR' }, 'amount', 'parameter_missing'],
  ['an amount of nothing', '/v1/orders', { amount: 0, currency: 'EUR' }, 'amount'],
  ['a negative amount', '/v1/orders', { amount: -1, currency: 'EUR' }, 'amount'],
  ['a fraction', '/v1/orders', { amount: 1.5, currency: 'EUR' }, 'amount'],
  ['an amount above the limit', '/v1/orders', { amount: 1000000000000, currency: 'EUR' }, 'amount'],
  ['no currency', '/v1/orders', { amount: 1 }, 'currency', 'parameter_missing'],
  ['a currency in lower case', '/v1/orders', { amount: 1, currency: 'eur' }, 'currency'],
  ['a customer that is none', '/v1/orders', { amount: 1, currency: 'EUR', customer: 'ann' }, 'customer'],
  ['a customer that is not there', '/v1/orders', { amount: 1, currency: 'EUR', customer: `cus_${NONE}` }, 'customer'],
  ['a customer that is not there, an id of zeros', '/v1/orders', { amount: 1, currency: 'EUR', customer: `cus_${ID}` }, 'customer'],
  ['an empty reference', '/v1/orders', { amount: 1, currency: 'EUR', reference: '' }, 'reference'],
  ['a reference of 129 characters', '/v1/orders', { amount: 1, currency: 'EUR', reference: 'x'.repeat(129) }, 'reference'],
  ['a sum of one’s own', '/v1/orders', { amount: 1, currency: 'EUR', amount_paid: 1 }, 'amount_paid', 'parameter_unknown'],
  ['another amount later', `/v1/orders/ord_${ID}`, { amount: 2 }, 'amount', 'parameter_unknown'],
  ['a cancel with a reason', `/v1/orders/ord_${ID}/cancel`, { reason: 'x' }, 'reason', 'parameter_unknown'],
  ['a payment for no order', '/v1/payments', payment({ order: `ord_${NONE}` }), 'order'],
  ['a payment for no order, an id of zeros', '/v1/payments', payment({ order: `ord_${ID}` }), 'order'],
  ['a payment for an order that is a number', '/v1/payments', payment({ order: 1 }), 'order'],
  ['a payment for a customer as order', '/v1/payments', payment({ order: `cus_${ID}` }), 'order'],
];
for (const [name, path, body, param, code = 'parameter_invalid'] of wrong)
  test(`${name}: 400 ${param}`, async () => { assertProblem(await florin.post(path, body), 400, code, { param }); });

test('a payment in another currency is refused', async () => {
  const { id } = await order();
  assert.match(assertProblem(await payFor(id, 1, { currency: 'USD' }), 400, 'parameter_invalid', { param: 'order' }).detail, /EUR/);
});

test('what is not there is 404', async () => {
  assertProblem(await florin.get(`/v1/orders/ord_${ID}`), 404, 'not_found');
  assertProblem(await florin.get(`/v1/orders/pay_${ID}`), 404, 'not_found');
  assertProblem(await florin.post(`/v1/orders/ord_${ID}/cancel`, {}), 404, 'not_found');
  assertProblem(await florin.post(`/v1/orders/ord_${ID}`, {}), 404, 'not_found');
});

test('and the ledger verifies', async () => { await verifyLedger(florin); });
