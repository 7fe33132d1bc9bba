// What is found by references, last four digits, metadata, customer and order.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { all, assertOk, assertProblem, data, otherMerchant, pay, payment, read, refund, start } from './support.mjs';

let florin, other, customer, order;
const made = []; // oldest first
const ID = '0'.repeat(26);
const NONE = '01ABCDEFGH0000000000000000'; // well-formed, and nobody's
const ids = (list) => list.map((item) => item.id);
const newest = (wanted) => ids(made.filter(wanted)).reverse();

before(async () => {
  florin = await start();
  other = await otherMerchant(florin);
  customer = assertOk(await florin.post('/v1/customers', { name: 'Ann', email: 'Ann@Example.com', metadata: { vip: 'yes' } })).id;
  order = assertOk(await florin.post('/v1/orders', { amount: 100000, currency: 'EUR', customer, reference: 'INV-7', metadata: { shop: 'north' } })).id;
  for (let i = 0; i < 12; i++)
    made.push(await pay(florin, {
      amount: 100 + (i % 3),
      currency: i === 11 ? 'USD' : 'EUR',
      payment_method_token: i % 4 === 3 ? 'pm_tok_mastercard' : 'pm_tok_visa',
      ...(i % 2 ? { customer } : {}),
      ...(i < 3 ? { order } : {}),
      metadata: { n: String(i), parity: i % 2 ? 'odd' : 'even', 'a key with spaces & signs': 'x=y&z', ...(i === 5 ? { empty: '' } : {}) },
    }));
  // the same words at another merchant's
  await pay(florin, { metadata: { n: '1', parity: 'odd' } }, { key: other.key });
});
after(async () => { await florin?.stop(); });

const found = async (query, path = '/v1/payments') => ids(await data(florin, `${path}?limit=100&${query}`));

test('by metadata: key and value, exactly', async () => {
  assert.deepEqual(await found('metadata[n]=7'), [made[7].id]);
  assert.deepEqual(await found('metadata[parity]=odd'), newest((p) => p.metadata.parity === 'odd'));
  assert.deepEqual(await found('metadata[parity]=odd&metadata[n]=4'), []);
  assert.deepEqual(await found('metadata[parity]=odd&metadata[n]=3'), [made[3].id]);
  assert.deepEqual(await found('metadata[parity]=ODD'), []);
  assert.deepEqual(await found('metadata[n]='), []);
  assert.deepEqual(await found('metadata[empty]='), [made[5].id]);
  assert.deepEqual(await found(`metadata%5B${encodeURIComponent('a key with spaces & signs')}%5D=${encodeURIComponent('x=y&z')}`), newest(() => true));
  assert.deepEqual(await found('metadata[never]=x'), []);
});

test('by customer and by order', async () => {
  assert.deepEqual(await found(`customer=${customer}`), newest((p) => p.customer === customer));
  assert.deepEqual(await found(`customer=${customer.toLowerCase()}`), newest((p) => p.customer === customer));
  assert.deepEqual(await found(`order=${order}`), newest((p) => p.order === order));
  assert.deepEqual(await found(`order=${order}&customer=${customer}`), newest((p) => p.order === order && p.customer === customer), 'the customer of an order is its payments\', too');
  assert.deepEqual(await found(`order=${order}&customer=${customer}&metadata[n]=1`), [made[1].id]);
  assert.deepEqual(await found(`order=ord_${NONE}`), []);
});

test('by last four digits', async () => {
  assert.deepEqual(await found('last_four=4444'), newest((p) => p.card?.last_four === '4444'));
  assert.deepEqual(await found('last_four=4242'), newest((p) => p.card?.last_four === '4242'));
  assert.ok((await found('last_four=4444')).length > 0 && (await found('last_four=4242')).length > 0, 'the test tests something');
  assert.deepEqual(await found('last_four=0000'), []);
});

test('by every reference that somebody has', async () => {
  const p = made[2];
  const [attempt] = await data(florin, `/v1/payments/${p.id}/attempts`);
  const references = [p.provider_reference, p.network_reference, p.acquirer_reference, attempt.authorization_code].filter(Boolean);
  assert.ok(references.length >= 3, JSON.stringify(references));
  for (const reference of references)
    assert.ok((await found(`reference=${encodeURIComponent(reference)}`)).includes(p.id), `by ${reference}`);
  assert.deepEqual(await found(`reference=${encodeURIComponent(p.provider_reference)}`), [p.id]);
  assert.deepEqual(await found(`reference=${encodeURIComponent(p.provider_reference.slice(0, -1))}`), [], 'no part of it');
});

test('a refund by its references and metadata', async () => {
  const back = await refund(florin, made[4].id, { amount: 1, metadata: { why: 'too large' } });
  await refund(florin, made[6].id, { amount: 1 });
  assert.deepEqual(await found(`reference=${encodeURIComponent(back.provider_reference)}`, '/v1/refunds'), [back.id]);
  assert.deepEqual(await found(`metadata[why]=${encodeURIComponent('too large')}`, '/v1/refunds'), [back.id]);
  assert.deepEqual(await found(`reference=${encodeURIComponent(back.provider_reference)}&payment=${made[6].id}`, '/v1/refunds'), []);
  assert.deepEqual(await found(`reference=${encodeURIComponent(back.provider_reference)}&status=failed`, '/v1/refunds'), []);
  assert.deepEqual(await found(`reference=${encodeURIComponent(back.provider_reference)}&payment=${made[4].id}&status=succeeded`, '/v1/refunds'), [back.id]);
});

test('together with amount, currency, status and time', async () => {
  const check = async (query, wanted) => assert.deepEqual(await found(query), newest(wanted), query);
  await check('metadata[parity]=odd&amount=101', (p) => p.metadata.parity === 'odd' && p.amount === 101);
  await check('metadata[parity]=odd&currency=USD', (p) => p.currency === 'USD');
  await check(`customer=${customer}&status=failed`, () => false);
  await check(`customer=${customer}&status=captured&last_four=4444`, (p) => p.customer === customer && p.card?.last_four === '4444');
  const at = made[5].created;
  await check(`metadata[parity]=odd&created[gte]=${at}`, (p) => p.metadata.parity === 'odd' && p.created >= at);
  await check(`metadata[parity]=odd&created[lt]=${at}`, (p) => p.metadata.parity === 'odd' && p.created < at);
  await check(`metadata[parity]=odd&created[gte]=${at}&created[lt]=${made[9].created}`,
    (p) => p.metadata.parity === 'odd' && p.created >= at && p.created < made[9].created);
  await check('metadata[parity]=odd&created[lte]=1999-01-01T00:00:00Z', () => false);
});

test('pages meet without gap or overlap, in both directions', async () => {
  const wanted = newest((p) => p.metadata.parity === 'even');
  for (const limit of [1, 2, 5, 6, 7])
    assert.deepEqual(ids(await all(florin, '/v1/payments?metadata[parity]=even', { limit })), wanted);
  const page = await read(florin, `/v1/payments?metadata[parity]=even&limit=2&ending_before=${wanted[4]}`);
  assert.deepEqual(ids(page.data), wanted.slice(2, 4));
  assert.equal(page.has_more, true);
  const exact = await read(florin, '/v1/payments?metadata[parity]=even&limit=6');
  assert.equal(exact.has_more, false);
});

test('what is found is what is read', async () => {
  for (const p of await data(florin, '/v1/payments?metadata[n]=3')) assert.deepEqual(await read(florin, `/v1/payments/${p.id}`), p);
});

test('a failed payment is found by its metadata', async () => {
  const answer = await florin.post('/v1/payments', payment({ payment_method_token: 'pm_tok_declined_do_not_honor', metadata: { declined: 'yes' } }));
  assertProblem(answer, 402, 'payment_declined');
  assert.deepEqual(await found('metadata[declined]=yes'), [answer.json.payment.id]);
});

test('customers by email and metadata, orders by reference, customer and metadata', async () => {
  for (const email of ['Ann@Example.com', 'ann@example.com', 'ANN@EXAMPLE.COM'])
    assert.deepEqual(await found(`email=${encodeURIComponent(email)}`, '/v1/customers'), [customer]);
  assert.deepEqual(await found('email=nn@example.com', '/v1/customers'), []);
  assert.deepEqual(await found('metadata[vip]=yes', '/v1/customers'), [customer]);
  assert.deepEqual(await found('metadata[vip]=yes&email=bob@example.com', '/v1/customers'), []);
  assert.deepEqual(await found('reference=INV-7', '/v1/orders'), [order]);
  assert.deepEqual(await found('reference=inv-7', '/v1/orders'), []);
  assert.deepEqual(await found(`customer=${customer}&metadata[shop]=north&status=open&currency=EUR&amount=100000`, '/v1/orders'), [order]);
  assert.deepEqual(await found(`customer=${customer}&status=paid`, '/v1/orders'), []);
  assert.deepEqual(await found('status=open&amount=100000', '/v1/orders'), [order]);
  assert.deepEqual(await found('status=canceled', '/v1/orders'), []);
  // what changes is found by what it is now
  assertOk(await florin.post(`/v1/orders/${order}`, { reference: 'INV-8', metadata: { shop: 'south' } }));
  assert.deepEqual(await found('reference=INV-7', '/v1/orders'), []);
  assert.deepEqual(await found('reference=INV-8&metadata[shop]=south', '/v1/orders'), [order]);
});

test('another merchant finds nothing of it', async () => {
  const theirs = async (path) => data(florin, path, { key: other.key });
  assert.equal((await theirs('/v1/payments?metadata[parity]=odd')).length, 1);
  for (const path of [`/v1/payments?customer=${customer}`, `/v1/payments?order=${order}`,
    `/v1/payments?reference=${encodeURIComponent(made[0].provider_reference)}`, '/v1/customers?email=ann@example.com', '/v1/orders?reference=INV-8'])
    assert.deepEqual(await theirs(path), [], path);
});

for (const [path, param, code = 'parameter_invalid'] of [
  ['/v1/payments?last_four=42', 'last_four'],
  ['/v1/payments?last_four=42424', 'last_four'],
  ['/v1/payments?last_four=42x2', 'last_four'],
  ['/v1/payments?last_four=', 'last_four'],
  ['/v1/payments?reference=', 'reference'],
  [`/v1/payments?reference=${'x'.repeat(129)}`, 'reference'],
  ['/v1/payments?customer=ann', 'customer'],
  [`/v1/payments?customer=ord_${ID}`, 'customer'],
  [`/v1/payments?order=cus_${ID}`, 'order'],
  [`/v1/payments?order=ord_${ID}`, 'order'],
  [`/v1/payment_methods?customer=cus_${ID}`, 'customer'],
  [`/v1/refunds?payment=pay_${ID}`, 'payment'],
  ['/v1/payments?metadata=x', 'metadata', 'parameter_unknown'],
  ['/v1/payments?metadata[]=x', 'metadata[]'],
  ['/v1/payments?metadata[a][b]=x', 'metadata[a][b]'],
  ['/v1/payments?metadata[a=x', 'metadata[a', 'parameter_unknown'],
  ['/v1/payments?metadata[a]=1&metadata[a]=2', 'metadata[a]'],
  [`/v1/payments?${Array.from({ length: 17 }, (_, i) => `metadata[k${i}]=x`).join('&')}`, 'metadata[k16]'],
  ['/v1/payments?email=ann@example.com', 'email', 'parameter_unknown'],
  ['/v1/refunds?last_four=4242', 'last_four', 'parameter_unknown'],
  ['/v1/refunds?customer=x', 'customer', 'parameter_unknown'],
  ['/v1/customers?email=', 'email'],
  ['/v1/customers?name=Ann', 'name', 'parameter_unknown'],
  ['/v1/orders?status=due', 'status'],
  ['/v1/orders?amount=0', 'amount'],
  ['/v1/orders?currency=euro', 'currency'],
  ['/v1/orders?customer=x', 'customer'],
  [`/v1/orders?starting_after=pay_${ID}`, 'starting_after'],
])
  test(`GET ${path.slice(0, 60)}: 400 ${param}`, async () => { assertProblem(await florin.get(path), 400, code, { param }); });
