// A provider is added while Florin runs, without a line of C, and what it does wrong is never taken for success.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import {
  assertOk, assertProblem, balance, data, newKey, pay, payment, readPayment, refund, settled, settledRefund, SLOW, start, verifyLedger, waitFor,
} from './support.mjs';
import { connectorFolder, startToy, TOY_LUA } from './toy.mjs';

const PASSWORD = 'toy-password-3141592653';
let florin, toy, folder, account;

const createAccount = (connector, credentials, priority) =>
  florin.post('/v1/provider_accounts', { connector, credentials, priority });
const toyCredentials = () => ({ shop_url: toy.url, password: PASSWORD });

// The folder is read anew on SIGHUP; asking for an account tells when that is done.
async function reload(connector, credentials, priority) {
  process.kill(florin.pid, 'SIGHUP');
  return waitFor(async () => {
    const answer = await createAccount(connector, credentials, priority);
    return answer.status === 200 && answer.json;
  });
}

before(async () => {
  toy = await startToy();
  folder = connectorFolder();
  florin = await start({ settings: { connectors: folder.dir, 'provider-timeout-ms': 500 * SLOW } });
});
after(async () => {
  if (florin) await verifyLedger(florin);
  await florin?.stop();
  await toy?.close();
  folder?.close();
});
beforeEach(() => {
  toy.next = [];
  toy.always = toy.told = undefined;
});

const attempt = async (id) => (await data(florin, `/v1/payments/${id}/attempts`))[0];
const only = (id) => async () => { // one charge at the toy for this payment
  const { id: reference } = await attempt(id);
  return toy.charges().filter((o) => o.order === reference);
};

test('a connector that is not there cannot be used; once its folder is there and SIGHUP came, it can be paid through', async () => {
  assertProblem(await createAccount('toy', toyCredentials(), 0), 400, 'parameter_invalid', { param: 'connector' });
  folder.add('toy', TOY_LUA);
  account = await reload('toy', toyCredentials(), 0);
  assert.equal(account.connector, 'toy');
  const paid = await pay(florin);
  assert.equal(paid.status, 'captured');
  assert.equal(paid.provider_account, account.id, 'the lowest priority number goes first');
  const made = await attempt(paid.id);
  assert.equal(made.provider, 'toy');
  const order = toy.orders.get(made.id);
  assert.equal(order.total, '92.32');
  assert.equal(order.stage, 'PAID');
  assert.equal(paid.provider_reference, order.trace);
  assert.equal(paid.network_reference, `N${order.trace}`);
  assert.equal(toy.seen.at(-1).headers['x-shop-password'], PASSWORD, 'the connector was given the credentials');
});

test('all operations go through it', async () => {
  const held = await pay(florin, { capture: false });
  assert.equal(held.status, 'authorized');
  assert.equal(assertOk(await florin.post(`/v1/payments/${held.id}/capture`, {})).status, 'captured');
  assert.equal((await refund(florin, held.id, { amount: 32 })).status, 'succeeded');
  assert.equal((await refund(florin, held.id)).status, 'succeeded');
  const { id: reference } = await attempt(held.id);
  assert.deepEqual(toy.operations('return', reference).map((o) => o.total), ['0.32', '92.00']);
  const dropped = await pay(florin, { capture: false });
  assert.equal(assertOk(await florin.post(`/v1/payments/${dropped.id}/cancel`, {})).status, 'canceled');
});

test('its error table is used: a code that is listed, and one that is not', async () => {
  assertProblem(await florin.post('/v1/payments', payment({ payment_method_token: 'pm_tok_broke' })), 402, 'payment_declined',
    { decline: 'insufficient_funds' });
  const held = await pay(florin, { capture: false });
  toy.orders.get((await attempt(held.id)).id).stage = 'LOST';
  const refused = assertProblem(await florin.post(`/v1/payments/${held.id}/capture`, {}), 402, 'payment_declined', { decline: 'generic_decline' });
  assert.equal(refused.payment.id, held.id);
  assert.equal(refused.payment.status, 'authorized', 'the money is still held');
});

test('a currency the provider does not take is refused before anything is sent', async () => {
  const before = toy.seen.length;
  const { payment: failed } = assertProblem(await florin.post('/v1/payments', payment({ currency: 'SEK' })), 402, 'payment_declined');
  assert.equal(failed.status, 'failed');
  assert.equal(toy.seen.length, before);
});

// What was done but not well told: unknown first, then found out by asking.
for (const way of ['hang_after', 'error_after', 'close_after', 'cut_after', 'garbage_after', 'huge_after', 'deep_after', 'other_total_after',
  'other_currency_after', 'no_total_after', 'other_order_after', 'redirect_after', 'drip_after', 'wait'])
  test(`${way} on a payment: processing, then captured, one charge`, async () => {
    toy.next = [way];
    const key = newKey();
    const first = await florin.post('/v1/payments', payment(), { idempotencyKey: key });
    const unknown = assertOk(first);
    assert.equal(unknown.status, 'processing');
    assert.equal(unknown.amount_captured, 0);
    const now = await settled(florin, unknown.id);
    assert.equal(now.status, 'captured');
    assert.equal(now.amount_captured, 9232);
    const charges = await only(unknown.id)();
    assert.equal(charges.length, 1);
    assert.equal(charges[0].calls, 1, 'it was asked for once');
    const again = await florin.post('/v1/payments', payment(), { idempotencyKey: key });
    assert.equal(again.text, first.text, 'the stored answer is the one that was given');
    assert.deepEqual((await data(florin, `/v1/payments/${unknown.id}/events`)).map((e) => e.type), ['payment.captured', 'payment.processing']);
  });

for (const way of ['hang_before', 'error_before'])
  test(`${way} on a payment: processing, then failed, no charge`, async () => {
    toy.next = [way];
    const unknown = await pay(florin);
    assert.equal(unknown.status, 'processing');
    const now = await settled(florin, unknown.id);
    assert.equal(now.status, 'failed');
    assert.equal(now.decline_code, 'provider_timeout');
    assert.equal((await only(unknown.id)()).length, 0);
    assert.deepEqual(await data(florin, `/v1/payments/${unknown.id}/journals`), []);
  });

test('an amount that stays wrong is never success', async () => {
  toy.next = ['other_total_after'];
  toy.told = (order) => ({ ...order, total: '0.01' });
  const unknown = await pay(florin);
  assert.equal(unknown.status, 'processing');
  const asked = toy.inquiries;
  await waitFor(() => toy.inquiries >= asked + 3);
  const now = await readPayment(florin, unknown.id);
  assert.equal(now.status, 'processing');
  assert.equal(now.amount_captured, 0);
  assert.equal((await attempt(unknown.id)).provider_code, 'amount_mismatch');
  assert.deepEqual(await data(florin, `/v1/payments/${unknown.id}/journals`), []);
  toy.told = undefined; // the provider corrects itself
  assert.equal((await settled(florin, unknown.id)).status, 'captured');
});

test('a payment that is not known yet takes no other operation', async () => {
  toy.next = ['hang_after'];
  toy.told = (order) => ({ ...order, verdict: 'WAIT' });
  const { id } = await pay(florin);
  for (const what of ['capture', 'cancel', 'refund'])
    assertProblem(await florin.post(`/v1/payments/${id}/${what}`, {}), 409, 'state_conflict');
  toy.told = undefined;
  assert.equal((await settled(florin, id)).status, 'captured');
});

for (const [what, path, done, verb] of [['capture', 'capture', 'captured', 'claim'], ['cancel', 'cancel', 'canceled', 'drop']]) {
  for (const way of ['hang_after', 'error_after', 'close_after'])
    test(`${way} on a ${what}: processing, then ${done}, done once`, async () => {
      const { id } = await pay(florin, { capture: false });
      toy.next = [way];
      const answer = assertOk(await florin.post(`/v1/payments/${id}/${path}`, {}));
      assert.equal(answer.status, 'processing');
      assert.equal(answer.amount_capturable, 0, 'nobody may take it twice meanwhile');
      const now = await settled(florin, id);
      assert.equal(now.status, done);
      assert.equal(toy.operations(verb, (await attempt(id)).id).length, 1);
      const { id: reference } = await attempt(id);
      assert.equal(toy.seen.filter((s) => s.url === `/order/${reference}/${verb}`).length, 1, 'it was asked for once');
    });

  for (const way of ['hang_before', 'error_before'])
    test(`${way} on a ${what}: processing, then authorized again, and it can be repeated`, async () => {
      const { id } = await pay(florin, { capture: false });
      toy.next = [way];
      assert.equal(assertOk(await florin.post(`/v1/payments/${id}/${path}`, {})).status, 'processing');
      assert.equal((await settled(florin, id)).status, 'authorized');
      assert.equal(toy.operations(verb, (await attempt(id)).id).length, 0);
      assert.equal(assertOk(await florin.post(`/v1/payments/${id}/${path}`, {})).status, done);
      assert.equal(toy.operations(verb, (await attempt(id)).id).length, 1);
    });
}

for (const way of ['hang_after', 'error_after', 'other_total_after'])
  test(`${way} on a refund: pending, then succeeded, given back once`, async () => {
    const { id } = await pay(florin);
    toy.next = [way];
    const pending = await refund(florin, id, { amount: 9000 });
    assert.equal(pending.status, 'pending');
    assertProblem(await florin.post(`/v1/payments/${id}/refund`, { amount: 233 }), 400, 'parameter_invalid', { param: 'amount' });
    assert.equal((await settledRefund(florin, pending.id)).status, 'succeeded');
    const now = await readPayment(florin, id);
    assert.equal(now.amount_refunded, 9000);
    assert.equal(now.status, 'captured');
    assert.equal((await refund(florin, id)).amount, 232);
    assert.equal((await readPayment(florin, id)).status, 'refunded');
    assert.deepEqual(toy.operations('return', (await attempt(id)).id).map((o) => o.total), ['90.00', '2.32']);
  });

for (const way of ['hang_before', 'error_before'])
  test(`${way} on a refund: pending, then failed, and all can be given back`, async () => {
    const { id } = await pay(florin);
    toy.next = [way];
    const pending = await refund(florin, id);
    assert.equal(pending.status, 'pending');
    const failed = await settledRefund(florin, pending.id);
    assert.equal(failed.status, 'failed');
    assert.equal(failed.decline_code, 'provider_timeout');
    assert.equal((await readPayment(florin, id)).amount_refunded, 0);
    assert.equal((await refund(florin, id)).amount, 9232);
    assert.equal(toy.operations('return', (await attempt(id)).id).length, 1);
  });

test('a refused refund is 402 with the refund inside, and what was reserved is free again', async () => {
  const { id } = await pay(florin);
  const pendingBefore = (await balance(florin, 'provider_receivable')).pending;
  toy.next = ['refuse'];
  const problem = assertProblem(await florin.post(`/v1/payments/${id}/refund`, {}), 402, 'payment_declined', { decline: 'insufficient_funds' });
  assert.equal(problem.refund.status, 'failed');
  assert.equal(problem.refund.payment, id);
  assert.equal((await balance(florin, 'provider_receivable')).pending, pendingBefore);
  assert.equal((await refund(florin, id)).status, 'succeeded');
});

test('a broken connector is left out, a wild one does no harm, and the others go on working', async () => {
  const [, working] = /return (\{ manifest = .*\})/.exec(TOY_LUA);
  folder.add('broken', 'this is not Lua');
  folder.add('empty', 'return {}');
  folder.add('nosy', `local handle = io.open("/etc/passwd")\n${TOY_LUA}`);
  folder.add('endless', TOY_LUA.replace(`return ${working}`, `while true do end`));
  folder.add('loops', TOY_LUA.replace('local function read(op, answer)', 'local function read(op, answer)\n  while true do end'));
  folder.add('eats', TOY_LUA.replace('local function read(op, answer)',
    'local function read(op, answer)\n  local t = {}\n  for i = 1, 1e9 do t[i] = string.rep("x", 1e6) .. i end'));
  folder.add('strays', TOY_LUA.replace('cred.shop_url .. path', '"http://203.0.113.7:80" .. path'));
  folder.add('badtable', TOY_LUA, 'what\tis\tthis\n');
  const wild = await reload('loops', toyCredentials(), 0);
  for (const name of ['broken', 'empty', 'nosy', 'endless', 'badtable'])
    assertProblem(await createAccount(name, toyCredentials(), 0), 400, 'parameter_invalid', { param: 'connector' });
  const disable = (id) => florin.post(`/v1/provider_accounts/${id}/disable`, {});
  assertOk(await disable(account.id));
  const looped = await pay(florin);
  assert.equal(looped.provider_account, wild.id);
  assert.equal(looped.status, 'processing', 'what cannot be read is not known');
  assertOk(await disable(wild.id));
  const eats = assertOk(await createAccount('eats', toyCredentials(), 0));
  assert.equal((await pay(florin)).status, 'processing');
  assertOk(await disable(eats.id));
  const strays = assertOk(await createAccount('strays', toyCredentials(), 0));
  const { payment: stray } = assertProblem(await florin.post('/v1/payments', payment()), 402, 'payment_declined', { decline: 'provider_unavailable' });
  assert.equal(stray.status, 'failed');
  assertOk(await disable(strays.id));
  assertOk(await florin.post(`/v1/provider_accounts/${account.id}/enable`, {}));
  assert.equal((await pay(florin)).provider_account, account.id);
  folder.add('loops', TOY_LUA); // repaired: what was open can be found out
  process.kill(florin.pid, 'SIGHUP');
  assert.equal((await settled(florin, looped.id)).status, 'captured');
});

test('a provider that cannot be reached at all: failed at once, nothing was sent', async () => {
  const gone = await startToy();
  await gone.close();
  const dead = assertOk(await createAccount('toy', { shop_url: gone.url, password: 'x' }, 0));
  assertOk(await florin.post(`/v1/provider_accounts/${account.id}/disable`, {}));
  try {
    const problem = assertProblem(await florin.post('/v1/payments', payment()), 402, 'payment_declined', { decline: 'provider_unavailable' });
    assert.equal(problem.payment.status, 'failed');
    assert.equal((await attempt(problem.payment.id)).status, 'failed');
  } finally {
    assertOk(await florin.post(`/v1/provider_accounts/${dead.id}/disable`, {}));
    assertOk(await florin.post(`/v1/provider_accounts/${account.id}/enable`, {}));
  }
});

test('the password of the provider is in no log line', () => {
  assert.ok(!florin.log().includes(PASSWORD));
});
