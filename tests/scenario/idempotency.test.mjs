// The same request with the same Idempotency-Key happens once, and is answered with the same bytes, for as long as it is kept.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  all, assertCharged, assertOk, assertProblem, count, createKey, newKey, otherMerchant, pay, payment, read, readPayment, start, startReceiver, times,
  verifyLedger,
} from './support.mjs';

let florin;
before(async () => { florin = await start(); });
after(async () => { await florin?.stop(); });

const create = (body, idempotencyKey, options) => florin.post('/v1/payments', body, { idempotencyKey, ...options });
const marked = async (mark) => (await all(florin, '/v1/payments')).filter((p) => p.metadata.mark === mark);

function assertReplay(again, first) {
  assert.equal(again.status, first.status);
  assert.equal(again.text, first.text, 'the same bytes');
  assert.equal(again.headers['content-type'], first.headers['content-type']);
  assert.equal(again.headers['idempotent-replayed'], 'true');
  assert.notEqual(again.headers['request-id'], first.headers['request-id'], 'but a request of its own');
}

test('same key, same body: the same bytes, marked as replayed', async () => {
  const body = payment({ metadata: { mark: 'replay' } }), key = newKey();
  const first = await create(body, key);
  assertOk(first);
  assert.equal(first.headers['idempotent-replayed'], undefined);
  for (let i = 0; i < 3; i++) assertReplay(await create(body, key), first);
  assert.equal((await marked('replay')).length, 1);
  await assertCharged(florin, first.json.id, { captured: 9232 });
});

test('the stored answer does not change when the payment goes on', async () => {
  const body = payment({ capture: false }), key = newKey();
  const first = await create(body, key);
  assertOk(await florin.post(`/v1/payments/${first.json.id}/capture`, {}));
  const again = await create(body, key);
  assertReplay(again, first);
  assert.equal(again.json.status, 'authorized');
});

test('same key, other body: 422, and nothing happens', async () => {
  const key = newKey();
  const first = await create(payment({ metadata: { mark: 'reuse' } }), key);
  assertOk(first);
  for (const other of [payment({ amount: 9233, metadata: { mark: 'reuse' } }), payment({ metadata: { mark: 'reuse2' } })])
    assertProblem(await create(other, key), 422, 'idempotency_key_reused');
  assert.equal((await marked('reuse')).length, 1);
  assert.equal((await marked('reuse2')).length, 0);
  assertReplay(await create(payment({ metadata: { mark: 'reuse' } }), key), first);
});

test('while the first one runs, a second is told to come back', async () => {
  const body = payment({ payment_method_token: 'pm_tok_slow', metadata: { mark: 'slow' } }), key = newKey();
  const both = await times(2, () => create(body, key));
  const done = both.find((a) => a.status === 200), told = both.find((a) => a.status === 409);
  assert.ok(done && told, both.map((a) => a.status).join());
  assertProblem(told, 409, 'idempotency_in_progress');
  assert.match(told.headers['retry-after'], /^[1-9]\d*$/);
  assertReplay(await create(body, key), done);
  assert.equal((await marked('slow')).length, 1);
});

test('64 identical requests at once: one charge, one answer', async () => {
  for (const mark of ['crowd-1', 'crowd-2', 'crowd-3']) {
    const body = payment({ metadata: { mark } }), key = newKey();
    const answers = await times(64, () => create(body, key));
    const good = answers.filter((a) => a.status === 200);
    assert.ok(good.length >= 1);
    for (const answer of answers.filter((a) => a.status !== 200)) assertProblem(answer, 409, 'idempotency_in_progress');
    assert.equal(new Set(good.map((a) => a.text)).size, 1, 'all that got an answer got the same');
    assert.equal(count(good, (a) => a.headers['idempotent-replayed'] === undefined), 1, 'exactly one was not a replay');
    const found = await marked(mark);
    assert.equal(found.length, 1);
    assert.equal((await assertCharged(florin, found[0].id, { captured: 9232 })).calls, 1, 'the provider was called once');
    assert.equal((await create(body, key)).text, good[0].text);
  }
  await verifyLedger(florin);
});

test('64 identical declines at once: one attempt, one answer', async () => {
  const body = payment({ payment_method_token: 'pm_tok_declined_do_not_honor', metadata: { mark: 'declines' } }), key = newKey();
  const answers = await times(64, () => create(body, key));
  assert.equal(new Set(answers.filter((a) => a.status === 402).map((a) => a.text)).size, 1);
  assert.ok(answers.every((a) => a.status === 402 || a.status === 409));
  assert.equal((await marked('declines')).length, 1);
});

test('a key is the same quoted and bare', async () => {
  const body = payment(), key = newKey();
  const first = await create(body, key);
  assertOk(first);
  assertReplay(await create(body, `"${key}"`), first);
  assertReplay(await create(body, `  "${key}" `), first);
  const spaced = await create(body, '"with space \\" \\\\ inside"');
  assertOk(spaced);
  assertReplay(await create(body, '"with space \\" \\\\ inside"'), spaced);
});

test('keys of 255 characters are taken, and each character counts', async () => {
  const long = 'k'.repeat(254), body = payment();
  const a = await create(body, `${long}a`), b = await create(body, `${long}b`);
  assert.notEqual(assertOk(a).id, assertOk(b).id);
});

test('the body is compared byte by byte', async () => {
  const key = newKey();
  assertOk(await create('{"amount":5,"currency":"EUR","payment_method_token":"pm_tok_visa"}', key));
  assertProblem(await create('{"currency":"EUR","amount":5,"payment_method_token":"pm_tok_visa"}', key), 422, 'idempotency_key_reused');
});

test('another path, another merchant, another key: each has keys of its own', async () => {
  const key = newKey(), body = payment();
  const mine = await create(body, key);
  const other = await otherMerchant(florin);
  const theirs = await create(body, key, { key: other.key });
  assert.notEqual(assertOk(mine).id, assertOk(theirs).id);
  const back = await florin.post(`/v1/payments/${mine.json.id}/refund`, {}, { idempotencyKey: key });
  assert.equal(assertOk(back).object, 'refund');
  const second = await createKey(florin, '--merchant', florin.merchant_id);
  assertReplay(await create(body, key, { key: second.key }), mine); // scoped by merchant, not by API key
});

test('what failed before it began is not stored: the key can be used again', async () => {
  for (const [body, status] of [['{"amount":', 400], [payment({ amount: 0 }), 400], [payment({ currency: 'XXX' }), 400]]) {
    const key = newKey();
    assert.equal((await create(body, key)).status, status);
    const good = await create(payment(), key);
    assertOk(good);
    assert.equal(good.headers['idempotent-replayed'], undefined);
  }
  const key = newKey();
  assert.equal((await create(payment(), key, { key: 'sk_test_wrong' })).status, 401);
  assertOk(await create(payment(), key));
  const missing = `/v1/payments/${'pay_' + '0'.repeat(26)}/refund`;
  assertProblem(await florin.post(missing, {}, { idempotencyKey: key }), 404, 'not_found');
  assertProblem(await florin.post(missing, { amount: 1 }, { idempotencyKey: key }), 404, 'not_found');
});

test('keys on reads are ignored', async () => {
  const key = newKey();
  const a = await florin.get('/v1/payments?limit=1', { headers: { 'Idempotency-Key': key } });
  assertOk(a);
  const made = assertOk(await create(payment(), key));
  const b = await florin.get('/v1/payments?limit=1', { headers: { 'Idempotency-Key': key } });
  assert.equal(assertOk(b).data[0].id, made.id);
  assert.equal(b.headers['idempotent-replayed'], undefined);
});

test('over a restart: answers, declines and secrets are replayed byte for byte', async () => {
  const receiver = await startReceiver();
  try {
    const requests = [
      ['/v1/payments', payment({ metadata: { mark: 'restart', text: 'ünï' } })],
      ['/v1/payments', payment({ payment_method_token: 'pm_tok_declined_stolen_card' })],
      ['/v1/payments', payment({ capture: false })],
      ['/v1/webhook_endpoints', { url: receiver.url, enabled_events: ['refund.failed'] }],
      ['/v1/provider_accounts', { connector: 'sandbox', credentials: { base_url: florin.sandbox, api_key: 'k' }, priority: 900 }],
    ].map(([path, body]) => ({ path, body, idempotencyKey: newKey() }));
    const send = (r) => florin.post(r.path, r.body, { idempotencyKey: r.idempotencyKey });
    for (const request of requests) request.first = await send(request);
    assert.deepEqual(requests.map((r) => r.first.status), [200, 402, 200, 200, 200]);
    const captured = { path: `/v1/payments/${requests[2].first.json.id}/capture`, body: {}, idempotencyKey: newKey() };
    captured.first = await send(captured);
    const back = { path: `/v1/payments/${requests[0].first.json.id}/refund`, body: { amount: 1 }, idempotencyKey: newKey() };
    back.first = await send(back);
    for (const how of ['clean', 'killed']) {
      if (how === 'killed') await florin.kill9();
      await florin.restart();
      for (const request of [...requests, captured, back]) assertReplay(await send(request), request.first);
    }
    assert.match(requests[3].first.json.secret, /^whsec_/);
    assert.equal((await read(florin, `/v1/webhook_endpoints/${requests[3].first.json.id}`)).secret, undefined);
    await assertCharged(florin, requests[0].first.json.id, { captured: 9232, refunded: 1 });
  } finally {
    await receiver.close();
  }
});

test('the spelling of the path makes no other request of it', async () => {
  const paid = await pay(florin);
  const key = newKey(), body = { amount: 100 };
  const ways = [paid.id, paid.id.replace(/_.*/, (id) => id.toLowerCase()), paid.id.replace('_', '%5F')];
  const answers = [];
  for (const id of ways) answers.push(await florin.post(`/v1/payments/${id}/refund`, body, { idempotencyKey: key }));
  for (const answer of answers) assert.equal(answer.text, answers[0].text);
  assert.equal((await readPayment(florin, paid.id)).amount_refunded, 100);
});
