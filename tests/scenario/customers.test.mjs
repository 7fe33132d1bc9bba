// Customers and their saved payment methods.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  all, assertOk, assertProblem, createKey, data, newKey, otherMerchant, pay, payment, read, readPayment, start,
} from './support.mjs';

let florin, other;
before(async () => {
  florin = await start();
  other = await otherMerchant(florin);
});
after(async () => { await florin?.stop(); });

const ID = '0'.repeat(26);
const NONE = '01ABCDEFGH0000000000000000'; // well-formed, and nobody's
const customer = async (body = {}, options) => assertOk(await florin.post('/v1/customers', body, options));
const attach = async (of, token = 'pm_tok_visa', more = {}, options) =>
  assertOk(await florin.post('/v1/payment_methods', { payment_method_token: token, customer: of, ...more }, options));
const invalid = (answer, param, code = 'parameter_invalid') => assertProblem(answer, 400, code, { param });

test('a customer is made, read and listed as one object', async () => {
  const ann = { name: 'Ann Example', email: 'ann@example.com', phone: '+49 30 123456', description: 'a friend', metadata: { shelf: '7' } };
  const made = await customer(ann);
  assert.match(made.id, /^cus_[0-9A-Z]{26}$/);
  assert.equal(made.object, 'customer');
  assert.equal(made.mode, 'test');
  for (const [key, value] of Object.entries(ann)) assert.deepEqual(made[key], value);
  assert.deepEqual(await read(florin, `/v1/customers/${made.id}`), made);
  assert.deepEqual((await data(florin, '/v1/customers?limit=1'))[0], made);
  const empty = await customer();
  for (const key of ['name', 'email', 'phone', 'description']) assert.equal(empty[key], null);
  assert.deepEqual(empty.metadata, {});
});

test('an update replaces what is given and empties what is null', async () => {
  const { id } = await customer({ name: 'Ann', email: 'before@example.com', phone: '112', metadata: { a: '1', b: '2' } });
  const update = async (body) => assertOk(await florin.post(`/v1/customers/${id}`, body));
  const now = await update({ email: 'now@example.com', metadata: { c: '3' } });
  assert.equal(now.name, 'Ann');
  assert.equal(now.email, 'now@example.com');
  assert.deepEqual(now.metadata, { c: '3' });
  assert.deepEqual(await data(florin, '/v1/customers?email=before@example.com'), []);
  assert.deepEqual((await data(florin, '/v1/customers?email=NOW@example.com')).map((c) => c.id), [id]);
  const last = await update({ name: null, phone: null });
  assert.deepEqual([last.name, last.phone, last.email], [null, null, 'now@example.com']);
  assert.equal(last.version, 3);
  assert.deepEqual(await read(florin, `/v1/customers/${id}`), last);
});

test('a key makes one customer, whatever else happens meanwhile', async () => {
  const idempotencyKey = newKey(), body = { name: 'Once' };
  const first = await florin.post('/v1/customers', body, { idempotencyKey });
  assertOk(await florin.post(`/v1/customers/${first.json.id}`, { name: 'Changed' }));
  const again = await florin.post('/v1/customers', body, { idempotencyKey });
  assert.equal(again.text, first.text);
  assert.equal(again.headers['idempotent-replayed'], 'true');
  assert.equal((await all(florin, '/v1/customers')).filter((c) => c.name === 'Once' || c.name === 'Changed').length, 1);
});

test('a deleted customer is forgotten, the payment methods with it', async () => {
  const { id } = await customer({ name: 'Gone', email: 'gone@example.com', metadata: { gone: 'yes' } });
  const method = await attach(id);
  const idempotencyKey = newKey();
  const gone = await florin.post(`/v1/customers/${id}/delete`, {}, { idempotencyKey });
  assert.deepEqual(assertOk(gone), { id, object: 'customer', deleted: true });
  assert.equal((await florin.post(`/v1/customers/${id}/delete`, {}, { idempotencyKey })).text, gone.text);
  for (const answer of [await florin.get(`/v1/customers/${id}`), await florin.post(`/v1/customers/${id}`, { name: 'Back' }),
    await florin.post(`/v1/customers/${id}/delete`, {})])
    assertProblem(answer, 404, 'not_found');
  assert.deepEqual(await data(florin, '/v1/customers?email=gone@example.com'), []);
  assert.deepEqual(await data(florin, '/v1/customers?metadata[gone]=yes'), []);
  assert.ok(!(await all(florin, '/v1/customers')).some((c) => c.id === id));
  assert.equal((await read(florin, `/v1/payment_methods/${method.id}`)).status, 'detached');
  invalid(await florin.post('/v1/payment_methods', { payment_method_token: 'pm_tok_visa', customer: id }), 'customer');
  invalid(await florin.post('/v1/orders', { amount: 1, currency: 'EUR', customer: id }), 'customer');
  invalid(await florin.post('/v1/payments', payment({ customer: id })), 'customer');
  invalid(await florin.post('/v1/payments', payment({ payment_method_token: undefined, payment_method: method.id })), 'payment_method');
});

test('payment methods are attached, listed and detached, and events tell of it', async () => {
  const { id } = await customer(), { id: someone } = await customer();
  const one = await attach(id, 'pm_tok_visa', { metadata: { nick: 'blue card' } }), two = await attach(id, 'pm_tok_mastercard');
  await attach(someone);
  assert.match(one.id, /^pm_[0-9A-Z]{26}$/);
  assert.equal(one.status, 'attached');
  assert.equal(one.customer, id);
  assert.equal(one.payment_method_token, 'pm_tok_visa');
  assert.equal(one.card, null, 'nothing is known of the card before the first payment');
  assert.deepEqual(one.metadata, { nick: 'blue card' });
  const ids = async (query) => (await data(florin, `/v1/payment_methods?${query}`)).map((m) => m.id);
  const newest = [one.id, two.id].sort().reverse(); // two of one millisecond are ordered by the rest of their ids
  assert.deepEqual(await ids(`customer=${id}`), newest);
  assert.deepEqual(await ids(`customer=${id}&limit=1`), [newest[0]]);
  assert.deepEqual(await ids(`customer=${id}&starting_after=${newest[0]}`), [newest[1]]);
  assert.deepEqual(await ids(`customer=${id}&ending_before=${newest[1]}`), [newest[0]]);

  const renamed = assertOk(await florin.post(`/v1/payment_methods/${one.id}`, { metadata: { nick: 'red card' } }));
  assert.deepEqual(renamed.metadata, { nick: 'red card' });
  const off = assertOk(await florin.post(`/v1/payment_methods/${one.id}/detach`, {}));
  assert.equal(off.status, 'detached');
  assert.deepEqual(assertOk(await florin.post(`/v1/payment_methods/${one.id}/detach`, {})), off, 'twice is once');
  assert.deepEqual(await ids(`customer=${id}&status=attached`), [two.id]);
  assert.deepEqual(await ids(`customer=${id}&status=detached`), [one.id]);
  const events = (await all(florin, '/v1/events')).filter((e) => e.data.id === one.id).reverse();
  assert.deepEqual(events.map((e) => [e.type, e.object_version]), [['payment_method.attached', 1], ['payment_method.detached', 2]]);
  assert.deepEqual(events[0].data, one);
  assert.deepEqual(events[1].data, off);
  invalid(await florin.post('/v1/payments', payment({ payment_method_token: undefined, payment_method: one.id })), 'payment_method');
});

test('a saved payment method pays, and learns its card', async () => {
  const { id } = await customer();
  const method = await attach(id);
  const paid = await pay(florin, { payment_method_token: undefined, payment_method: method.id });
  assert.equal(paid.status, 'captured');
  assert.equal(paid.payment_method, method.id);
  assert.equal(paid.customer, id, 'the method says whose it is');
  assert.equal(paid.payment_method_token, 'pm_tok_visa');
  const known = await read(florin, `/v1/payment_methods/${method.id}`);
  assert.deepEqual(known.card, { brand: 'visa', last_four: '4242', bin: null, exp_month: null, exp_year: null, funding: null, issuer: null,
    country: null, fingerprint: null });
  assert.equal(known.status, 'attached');
  assert.deepEqual((await data(florin, `/v1/payments?customer=${id}`)).map((p) => p.id), [paid.id]);
});

test('the first payment saves its token, later ones go without the customer', async () => {
  const { id } = await customer();
  const first = await pay(florin, { customer: id, save_payment_method: true });
  const [method] = await data(florin, `/v1/payment_methods?customer=${id}`);
  assert.equal(first.payment_method, method.id);
  assert.equal(method.status, 'attached');
  assert.equal(method.card.last_four, '4242');
  assert.ok(method.network_transaction_id, 'kept for what follows');
  const later = await pay(florin, { payment_method_token: undefined, payment_method: method.id, off_session: true });
  assert.equal(later.status, 'captured');
  assert.equal(later.off_session, true);
  assert.equal(later.customer, id);
  assert.equal((await read(florin, `/v1/payment_methods/${method.id}`)).network_transaction_id, method.network_transaction_id);
});

test('a declined payment saves nothing', async () => {
  const { id } = await customer();
  const answer = await florin.post('/v1/payments', payment({
    customer: id, save_payment_method: true, payment_method_token: 'pm_tok_declined_do_not_honor' }));
  assertProblem(answer, 402, 'payment_declined');
  assert.deepEqual(await data(florin, `/v1/payment_methods?customer=${id}`), []);
});

test('what belongs to another customer, merchant or mode cannot be used', async () => {
  const live = await createKey(florin, '--merchant', florin.merchant_id, '--live');
  const { id } = await customer(), { id: someone } = await customer();
  const method = await attach(id);
  const viaMethod = (more, options) =>
    florin.post('/v1/payments', payment({ payment_method_token: undefined, payment_method: method.id, ...more }), options);
  invalid(await viaMethod({ customer: someone }), 'payment_method');
  for (const { key } of [other, live]) {
    for (const path of [`/v1/customers/${id}`, `/v1/payment_methods/${method.id}`])
      assertProblem(await florin.get(path, { key }), 404, 'not_found');
    for (const path of [`/v1/customers/${id}`, `/v1/customers/${id}/delete`, `/v1/payment_methods/${method.id}/detach`])
      assertProblem(await florin.post(path, {}, { key }), 404, 'not_found');
    assertProblem(await florin.post(`/v1/payment_methods/${method.id}`, { metadata: {} }, { key }), 404, 'not_found');
    invalid(await viaMethod({}, { key }), 'payment_method');
    invalid(await florin.post('/v1/payments', payment({ customer: id }), { key }), 'customer');
    invalid(await florin.post('/v1/payment_methods', { payment_method_token: 'pm_tok_visa', customer: id }, { key }), 'customer');
    assert.deepEqual(await data(florin, `/v1/payment_methods?customer=${id}`, { key }), []);
    assert.deepEqual(await data(florin, '/v1/customers', { key }), []);
    assert.deepEqual(await data(florin, `/v1/payments?customer=${id}`, { key }), []);
  }
  assert.equal((await read(florin, `/v1/payment_methods/${method.id}`)).status, 'attached');
  assert.deepEqual(await data(florin, `/v1/payments?customer=${id}`), []);
});

test('a detached method that pays at the same moment pays once or not at all', async () => {
  const { id } = await customer();
  const method = await attach(id);
  const body = payment({ payment_method_token: undefined, payment_method: method.id });
  const [detached, ...paid] = await Promise.all([florin.post(`/v1/payment_methods/${method.id}/detach`, {}),
    ...Array.from({ length: 6 }, () => florin.post('/v1/payments', body))]);
  assertOk(detached);
  for (const answer of paid)
    if (answer.status !== 200) invalid(answer, 'payment_method');
  assert.equal((await all(florin, `/v1/payments?customer=${id}`)).length, paid.filter((a) => a.status === 200).length);
  invalid(await florin.post('/v1/payments', body), 'payment_method');
});

const wrong = [
  ['a name of two lines', '/v1/customers', { name: 'Ann\nBcc: x' }, 'name'],
  ['an empty name', '/v1/customers', { name: '' }, 'name'],
  ['a name of 256 characters', '/v1/customers', { name: 'é'.repeat(256) }, 'name'],
  ['a name that is a number', '/v1/customers', { name: 7 }, 'name'],
  ['an email without @', '/v1/customers', { email: 'ann.example.com' }, 'email'],
  ['an email with a space', '/v1/customers', { email: 'ann @example.com' }, 'email'],
  ['an email with a line end', '/v1/customers', { email: 'ann@example.com\r\nBcc: x' }, 'email'],
  ['an email of 321 characters', '/v1/customers', { email: `${'x'.repeat(309)}@example.com` }, 'email'],
  ['a phone in words', '/v1/customers', { phone: 'call me' }, 'phone'],
  ['a description of 501 characters', '/v1/customers', { description: 'x'.repeat(501) }, 'description'],
  ['a number in metadata', '/v1/customers', { metadata: { n: 1 } }, 'metadata.n'],
  ['an unknown member', '/v1/customers', { colour: 'red' }, 'colour', 'parameter_unknown'],
  ['an id of one’s own', '/v1/customers', { id: `cus_${ID}` }, 'id', 'parameter_unknown'],
  ['a method without token', '/v1/payment_methods', { customer: `cus_${ID}` }, 'payment_method_token', 'parameter_missing'],
  ['a method without customer', '/v1/payment_methods', { payment_method_token: 'pm_tok_visa' }, 'customer', 'parameter_missing'],
  ['a method with a card number', '/v1/payment_methods', { payment_method_token: '4242424242424242', customer: `cus_${ID}` }, 'payment_method_token'],
  ['a method with a path', '/v1/payment_methods', { payment_method_token: 'pm_tok/../visa', customer: `cus_${ID}` }, 'payment_method_token'],
  ['a method of an order', '/v1/payment_methods', { payment_method_token: 'pm_tok_visa', customer: `ord_${ID}` }, 'customer'],
  ['a method of nobody', '/v1/payment_methods', { payment_method_token: 'pm_tok_visa', customer: `cus_${NONE}` }, 'customer'],
  ['a method of nobody, an id of zeros', '/v1/payment_methods', { payment_method_token: 'pm_tok_visa', customer: `cus_${ID}` }, 'customer'],
  ['an update of a method without metadata', `/v1/payment_methods/pm_${ID}`, {}, 'metadata', 'parameter_missing'],
  ['an update of a method’s token', `/v1/payment_methods/pm_${ID}`, { payment_method_token: 'pm_x' }, 'payment_method_token', 'parameter_unknown'],
  ['a detach with a reason', `/v1/payment_methods/pm_${ID}/detach`, { reason: 'old' }, 'reason', 'parameter_unknown'],
  ['a payment for nobody', '/v1/payments', payment({ customer: `cus_${NONE}` }), 'customer'],
  ['a payment for nobody, an id of zeros', '/v1/payments', payment({ customer: `cus_${ID}` }), 'customer'],
  ['a payment for an order as customer', '/v1/payments', payment({ customer: `ord_${ID}` }), 'customer'],
  ['a payment by no method', '/v1/payments', payment({ payment_method_token: undefined, payment_method: `pm_${NONE}` }), 'payment_method'],
  ['a payment by no method, an id of zeros', '/v1/payments', payment({ payment_method_token: undefined, payment_method: `pm_${ID}` }), 'payment_method'],
  ['a payment by a token as method', '/v1/payments', payment({ payment_method_token: undefined, payment_method: 'pm_tok_visa' }), 'payment_method'],
];
for (const [name, path, body, param, code] of wrong)
  test(`${name}: 400 ${param}`, async () => {
    const before = await all(florin, '/v1/customers');
    invalid(await florin.post(path, body), param, code);
    assert.equal((await all(florin, '/v1/customers')).length, before.length);
  });

for (const [query, param, code] of [['customer=x', 'customer'], ['status=gone', 'status'], ['last_four=4242', 'last_four', 'parameter_unknown'],
  [`starting_after=cus_${ID}`, 'starting_after']])
  test(`GET /v1/payment_methods?${query}: 400 ${param}`, async () => {
    invalid(await florin.get(`/v1/payment_methods?${query}`), param, code);
  });

test('what is not there is 404', async () => {
  for (const path of [`/v1/customers/cus_${ID}`, `/v1/customers/pm_${ID}`, `/v1/payment_methods/pm_${ID}`, '/v1/payment_methods/pm_tok_visa'])
    assertProblem(await florin.get(path), 404, 'not_found');
  for (const path of [`/v1/customers/cus_${ID}`, `/v1/customers/cus_${ID}/delete`, `/v1/payment_methods/pm_${ID}/detach`])
    assertProblem(await florin.post(path, {}), 404, 'not_found');
});

test('every route of these asks for a key', async () => {
  for (const path of ['/v1/customers', '/v1/payment_methods', '/v1/orders']) {
    assertProblem(await florin.get(path, { key: null }), 401, 'authentication_required');
    assertProblem(await florin.post(path, {}, { key: florin.publishable_key }), (await florin.get(path, { key: florin.publishable_key })).status,
      (await florin.get(path, { key: florin.publishable_key })).json.code);
    assert.ok([401, 403].includes((await florin.post(path, {}, { key: florin.publishable_key })).status));
  }
});

test('a payment keeps its customer after the customer was deleted', async () => {
  const { id } = await customer();
  const paid = await pay(florin, { customer: id });
  assertOk(await florin.post(`/v1/customers/${id}/delete`, {}));
  assert.equal((await readPayment(florin, paid.id)).customer, id);
  assert.deepEqual((await data(florin, `/v1/payments?customer=${id}`)).map((p) => p.id), [paid.id]);
});
