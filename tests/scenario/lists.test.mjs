// Lists: newest first, pages by cursor in both directions, filters.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { all, assertProblem, data, pay, payment, read, refund, start } from './support.mjs';

let florin;
const made = []; // oldest first
const ids = (list) => list.map((item) => item.id);
const newest = () => ids(made).reverse();

before(async () => {
  florin = await start();
  for (let i = 0; i < 12; i++) {
    const body = { amount: 100 + (i % 4), currency: i % 3 ? 'EUR' : 'USD', capture: i % 2 === 0, metadata: { n: String(i) } };
    made.push(await pay(florin, body));
  }
  made.push((await florin.post('/v1/payments', payment({ payment_method_token: 'pm_tok_declined_stolen_card' }))).json.payment);
});
after(async () => { await florin?.stop(); });

const list = (query = '') => read(florin, `/v1/payments${query}`);

test('newest first, ten at a time unless said otherwise', async () => {
  const page = await list();
  assert.equal(page.object, 'list');
  assert.deepEqual(ids(page.data), newest().slice(0, 10));
  assert.equal(page.has_more, true);
  const whole = await list('?limit=100');
  assert.deepEqual(ids(whole.data), newest());
  assert.equal(whole.has_more, false);
});

test('the objects in a list are those that are read one by one', async () => {
  for (const item of (await list('?limit=3')).data) assert.deepEqual(await read(florin, `/v1/payments/${item.id}`), item);
});

test('pages of any size meet without gap or overlap', async () => {
  for (const limit of [1, 2, 5, 12, 13, 100]) assert.deepEqual(ids(await all(florin, '/v1/payments', { limit })), newest());
});

test('has_more is exact when the last page is full', async () => {
  const page = await list('?limit=13');
  assert.equal(page.data.length, 13);
  assert.equal(page.has_more, false);
});

test('ending_before pages back towards the newest', async () => {
  const order = newest();
  const page = await list(`?limit=3&ending_before=${order[8]}`);
  assert.deepEqual(ids(page.data), order.slice(5, 8), 'the three next to the cursor, newest first');
  assert.equal(page.has_more, true);
  const top = await list(`?limit=100&ending_before=${order[2]}`);
  assert.deepEqual(ids(top.data), order.slice(0, 2));
  assert.equal(top.has_more, false);
  assert.deepEqual((await list(`?ending_before=${order[0]}`)).data, []);
});

test('a cursor whose object is gone or never was still marks a place', async () => {
  const order = newest();
  const last = order.at(-1);
  assert.deepEqual((await list(`?starting_after=${last}`)).data, []);
});

test('filters by status, currency and amount, alone and together', async () => {
  const check = async (query, wanted) =>
    assert.deepEqual(ids(await data(florin, `/v1/payments?limit=100&${query}`)), ids(made.filter(wanted)).reverse());
  await check('status=captured', (p) => p.status === 'captured');
  await check('status=authorized', (p) => p.status === 'authorized');
  await check('status=failed', (p) => p.status === 'failed');
  await check('status=canceled', () => false);
  await check('currency=USD', (p) => p.currency === 'USD');
  await check('amount=102', (p) => p.amount === 102);
  await check('currency=EUR&amount=101&status=authorized', (p) => p.currency === 'EUR' && p.amount === 101 && p.status === 'authorized');
  assert.ok(made.some((p) => p.currency === 'EUR' && p.amount === 101 && p.status === 'authorized'), 'the test tests something');
});

test('filters and pages work together', async () => {
  const wanted = ids(made.filter((p) => p.currency === 'EUR')).reverse();
  assert.deepEqual(ids(await all(florin, '/v1/payments?currency=EUR', { limit: 2 })), wanted);
});

test('filters by time of creation', async () => {
  const at = made[6].created;
  const one = (id) => made.findIndex((p) => p.id === id);
  const since = ids(await data(florin, `/v1/payments?limit=100&created[gte]=${at}`));
  assert.ok(since.includes(made[7].id) && since.every((id) => one(id) >= 0 && made[one(id)].created >= at));
  const until = ids(await data(florin, `/v1/payments?limit=100&created%5Blt%5D=${at}`));
  assert.ok(until.every((id) => made[one(id)].created < at));
  assert.ok(until.length > 0 && since.length > 0);
  assert.equal(since.length + until.length, made.length);
  const none = `/v1/payments?created[gt]=${encodeURIComponent('2099-01-01T00:00:00+02:00')}`;
  assert.deepEqual(await data(florin, none), []);
  assert.deepEqual(await data(florin, '/v1/payments?created[lte]=1999-01-01T00:00:00Z'), []);
});

test('both cursors at once are refused', async () => {
  assertProblem(await florin.get(`/v1/payments?starting_after=${made[0].id}&ending_before=${made[1].id}`), 400, 'parameter_invalid',
    { param: 'ending_before' });
});

test('refunds are listed the same way', async () => {
  const target = made.find((p) => p.status === 'captured');
  const back = [];
  for (let i = 0; i < 3; i++) back.push(await refund(florin, target.id, { amount: 10 + i }));
  const order = ids(back).reverse();
  assert.deepEqual(ids(await all(florin, '/v1/refunds', { limit: 1 })), order);
  assert.deepEqual(ids(await data(florin, `/v1/refunds?payment=${target.id}&limit=2`)), order.slice(0, 2));
  assert.deepEqual(ids(await data(florin, `/v1/refunds?ending_before=${order[2]}&limit=1`)), [order[1]]);
  assert.deepEqual(await data(florin, '/v1/refunds?status=failed'), []);
  assert.equal((await data(florin, '/v1/refunds?status=succeeded')).length, 3);
  const none = made.find((p) => p.status === 'authorized');
  assert.deepEqual(await data(florin, `/v1/refunds?payment=${none.id}`), []);
});
