// Who may do what: keys, merchants, versions.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  all, assertOk, assertProblem, createKey, data, newKey, otherMerchant, pay, payment, read, readPayment, refund, run, start, startReceiver,
  VERSION, waitFor,
} from './support.mjs';

let florin;
before(async () => { florin = await start(); });
after(async () => { await florin?.stop(); });

const bearer = (value) => florin.get('/v1/balances', { key: null, headers: value === undefined ? {} : { Authorization: value } });

test('without a valid key nothing is told', async () => {
  for (const value of [
    undefined, '', 'Bearer', 'Bearer ', 'Bearer  ', florin.secret_key, `Basic ${Buffer.from(`${florin.secret_key}:`).toString('base64')}`,
    'Bearer sk_test_wrong', `Bearer ${florin.secret_key}x`, `Bearer ${florin.secret_key.slice(0, -1)}`, `Bearer ${'x'.repeat(4000)}`,
    `Bearer ${florin.secret_key.toUpperCase()}`, `Bearer ${florin.secret_key} extra`,
  ]) {
    const answer = await bearer(value);
    assertProblem(answer, 401, 'authentication_required');
    assert.match(answer.headers['www-authenticate'], /^Bearer/);
    assert.ok(!answer.text.includes(florin.secret_key.slice(8)), 'the key is not repeated');
  }
});

test('the scheme is read in any case', async () => {
  for (const scheme of ['Bearer', 'bearer', 'BEARER']) assertOk(await bearer(`${scheme} ${florin.secret_key}`));
});

test('every private route asks for a key, before it looks at anything else', async () => {
  const id = 'pay_' + '0'.repeat(26);
  for (const path of ['/v1/payments', `/v1/payments/${id}`, `/v1/payments/${id}/attempts`, '/v1/refunds', '/v1/balances', '/v1/events',
    '/v1/webhook_endpoints', '/v1/provider_accounts'])
    assertProblem(await florin.get(path, { key: null }), 401, 'authentication_required');
  for (const path of ['/v1/payments', `/v1/payments/${id}/capture`, `/v1/payments/${id}/cancel`, `/v1/payments/${id}/refund`,
    `/v1/payments/${id}/increment`, `/v1/payments/${id}/sync`, '/v1/webhook_endpoints', '/v1/provider_accounts', '/v1/client_tokens',
    '/v1/checkouts', `/v1/checkouts/chk_${'0'.repeat(26)}/expire`])
    assertProblem(await florin.post(path, '{"amount": broken', { key: null }), 401, 'authentication_required');
});

test('a publishable key cannot reach private routes', async () => {
  const key = florin.publishable_key;
  assert.match(key, /^pk_test_/);
  for (const answer of [await florin.get('/v1/payments', { key }), await florin.post('/v1/payments', payment(), { key }),
    await florin.get('/v1/provider_accounts', { key })]) {
    assert.ok([401, 403].includes(answer.status));
    assertProblem(answer, answer.status, answer.status === 403 ? 'permission_denied' : 'authentication_required');
  }
});

test('keys are made beside the running server, shown once, and stop working soon after they are revoked', async () => {
  const made = await createKey(florin, '--merchant', florin.merchant_id);
  assert.match(made.key, /^sk_test_/);
  assert.match(made.id, /^key_/);
  assert.equal(made.merchant_id, florin.merchant_id);
  assertOk(await florin.get('/v1/balances', { key: made.key }));
  const listed = await run(['keys', 'list', ...florin.place, '--merchant', florin.merchant_id, '--json']);
  assert.equal(listed.code, 0, listed.stderr);
  assert.ok(JSON.parse(listed.stdout).data.some((k) => k.id === made.id));
  assert.ok(!listed.stdout.includes(made.key), 'a list shows no key');
  const revoked = await run(['keys', 'revoke', made.id, ...florin.place]);
  assert.equal(revoked.code, 0, revoked.stderr);
  assertProblem(await waitFor(async () => {
    const answer = await florin.get('/v1/balances', { key: made.key });
    return answer.status !== 200 && answer;
  }, { timeout: 5000 }), 401, 'authentication_required');
  assert.equal((await run(['keys', 'revoke', made.id, ...florin.place])).code, 1, 'twice is once too often');
  assertOk(await florin.get('/v1/balances'));
});

test('a publishable key made by hand is one', async () => {
  const made = await createKey(florin, '--merchant', florin.merchant_id, '--kind', 'publishable');
  assert.match(made.key, /^pk_test_/);
  assert.ok([401, 403].includes((await florin.get('/v1/balances', { key: made.key })).status));
});

test('test and live data never meet', async () => {
  const live = await createKey(florin, '--merchant', florin.merchant_id, '--live');
  assert.match(live.key, /^sk_live_/);
  const paid = await pay(florin);
  assertProblem(await florin.get(`/v1/payments/${paid.id}`, { key: live.key }), 404, 'not_found');
  assert.deepEqual(await data(florin, '/v1/payments', { key: live.key }), []);
  assert.deepEqual(await data(florin, '/v1/provider_accounts', { key: live.key }), []);
  assertProblem(await florin.post('/v1/payments', payment(), { key: live.key }), 422, 'unprocessable');
});

test('ids of another merchant are not there', async () => {
  const receiver = await startReceiver();
  try {
    const { key } = await otherMerchant(florin);
    const held = await pay(florin, { capture: false }), paid = await pay(florin);
    const back = await refund(florin, paid.id, { amount: 5 });
    const endpoint = assertOk(await florin.post('/v1/webhook_endpoints', { url: receiver.url }));
    const [account] = await data(florin, '/v1/provider_accounts');
    const [event] = await data(florin, '/v1/events');
    const before = await readPayment(florin, held.id);
    for (const path of [
      `/v1/payments/${held.id}`, `/v1/payments/${held.id}/attempts`, `/v1/payments/${held.id}/events`, `/v1/payments/${held.id}/journals`,
      `/v1/payments/${held.id}/explain`, `/v1/refunds/${back.id}`, `/v1/events/${event.id}`, `/v1/webhook_endpoints/${endpoint.id}`,
      `/v1/webhook_endpoints/${endpoint.id}/deliveries`, `/v1/provider_accounts/${account.id}`,
    ]) assertProblem(await florin.get(path, { key }), 404, 'not_found');
    for (const path of [
      `/v1/payments/${held.id}/capture`, `/v1/payments/${held.id}/cancel`, `/v1/payments/${paid.id}/refund`, `/v1/payments/${held.id}/sync`,
      `/v1/webhook_endpoints/${endpoint.id}/disable`, `/v1/webhook_endpoints/${endpoint.id}/enable`,
      `/v1/provider_accounts/${account.id}/disable`, `/v1/provider_accounts/${account.id}/enable`,
    ]) assertProblem(await florin.post(path, {}, { key, idempotencyKey: newKey() }), 404, 'not_found');
    assert.deepEqual(await data(florin, `/v1/refunds?payment=${paid.id}`, { key }), []);
    for (const path of ['/v1/payments', '/v1/refunds', '/v1/events', '/v1/webhook_endpoints'])
      assert.deepEqual(await all(florin, path, { key }), [], path);
    assert.deepEqual(await data(florin, '/v1/balances', { key }), []);
    assert.deepEqual(await readPayment(florin, held.id), before);
    assert.equal((await read(florin, `/v1/webhook_endpoints/${endpoint.id}`)).status, 'enabled');
    assert.equal((await read(florin, `/v1/provider_accounts/${account.id}`)).status, 'enabled');
    const theirs = await pay(florin, {}, { key });
    assertProblem(await florin.get(`/v1/payments/${theirs.id}`), 404, 'not_found');
    assert.equal((await data(florin, '/v1/events', { key }))[0].sequence, 1, 'each merchant counts from one');
  } finally {
    await receiver.close();
  }
});

test('credentials of provider accounts are never shown', async () => {
  const made = await florin.post('/v1/provider_accounts', {
    connector: 'sandbox', credentials: { base_url: florin.sandbox, api_key: 'very-secret-credential' }, priority: 999,
  });
  assertOk(made);
  assert.equal(made.json.object, 'provider_account');
  assert.equal(made.json.priority, 999);
  assert.equal(made.json.status, 'enabled');
  const shown = [made.text, (await florin.get('/v1/provider_accounts')).text, (await florin.get(`/v1/provider_accounts/${made.json.id}`)).text];
  for (const text of shown) assert.ok(!text.includes('very-secret-credential') && !text.includes('credentials'));
});

test('the version of the API is echoed, and an unknown one is refused', async () => {
  assert.equal((await florin.get('/v1/balances')).headers['florin-version'], VERSION);
  const given = await florin.get('/v1/balances', { headers: { 'Florin-Version': VERSION } });
  assertOk(given);
  assert.equal(given.headers['florin-version'], VERSION);
  for (const version of ['2020-01-01', 'latest', '', '2026-11-24 ', '2026-11-24,2026-11-24']) {
    const answer = await florin.get('/v1/balances', { headers: { 'Florin-Version': version } });
    if (version.trim() === VERSION) assertOk(answer);
    else assertProblem(answer, 400, 'version_unknown');
  }
  assertProblem(await florin.post('/v1/payments', payment(), { headers: { 'Florin-Version': '1999-01-01' } }), 400, 'version_unknown');
});
