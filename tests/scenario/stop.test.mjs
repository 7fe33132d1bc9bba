// A clean stop: nothing that was accepted is lost, nothing is done twice afterwards.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  all, assertOk, newKey, pay, payment, readPayment, start, startReceiver, verifyLedger, waitFor, wholeBook,
} from './support.mjs';

let florin, receiver;
before(async () => {
  florin = await start();
  receiver = await startReceiver({ respond: 200 });
  assertOk(await florin.post('/v1/webhook_endpoints', { url: receiver.url }));
});
after(async () => {
  await florin?.stop();
  await receiver?.close();
});

const TOKENS = ['pm_tok_visa', 'pm_tok_visa', 'pm_tok_slow', 'pm_tok_error_after', 'pm_tok_timeout_after', 'pm_tok_declined_do_not_honor'];

test('SIGTERM under load: exit 0, every answer that was given still holds, and the rest is finished after the start', async () => {
  const requests = [];
  let stopping = false;
  const worker = async (w) => {
    for (let i = 0; !stopping; i++) {
      const request = { body: payment({ amount: 1000 + i, payment_method_token: TOKENS[(w + i) % TOKENS.length] }), idempotencyKey: newKey() };
      requests.push(request);
      try {
        request.first = await florin.post('/v1/payments', request.body, { idempotencyKey: request.idempotencyKey });
      } catch {
        request.lost = true; // no answer: the client does not know
      }
      if (request.lost || request.first.status === 503) break;
    }
  };
  const workers = Array.from({ length: 24 }, (_, w) => worker(w));
  await waitFor(() => requests.filter((r) => r.first).length > 60);
  const stopped = florin.stop();
  await Promise.all(workers).finally(() => (stopping = true));
  await stopped; // with status 0
  const answered = requests.filter((r) => r.first && r.first.status !== 503);
  assert.ok(answered.length > 60);
  for (const { first } of answered) assert.ok([200, 402].includes(first.status), `${first.status} ${first.text}`);

  await florin.restart();
  for (const request of answered) {
    const again = await florin.post('/v1/payments', request.body, { idempotencyKey: request.idempotencyKey });
    assert.equal(again.text, request.first.text);
    assert.equal(again.headers['idempotent-replayed'], 'true');
  }
  for (const request of requests.filter((r) => r.lost || r.first?.status === 503)) {
    const again = await waitFor(async () => {
      const answer = await florin.post('/v1/payments', request.body, { idempotencyKey: request.idempotencyKey });
      return answer.status !== 409 && answer;
    });
    assert.ok([200, 402].includes(again.status), again.text);
  }
  await waitFor(async () => (await all(florin, '/v1/payments?status=processing')).length === 0, { timeout: 15000 });
  const payments = await all(florin, '/v1/payments');
  assert.equal(payments.length, requests.length, 'one payment per key');
  const book = (await wholeBook(florin)).filter((c) => c.captured > 0);
  assert.equal(book.length, payments.filter((p) => p.status === 'captured').length);
  assert.equal(book.reduce((s, c) => s + c.captured, 0), payments.reduce((s, p) => s + p.amount_captured, 0));
  for (const charge of book) assert.equal(charge.calls, 1);
  await verifyLedger(florin);
  const events = await all(florin, '/v1/events');
  assert.deepEqual(events.map((e) => e.sequence), events.map((_, i) => events.length - i));
  await waitFor(() => events.every((e) => receiver.requests.some((r) => r.json.id === e.id)), { timeout: 15000 });
});

test('a stop while a provider hangs does not wait for it: the payment is processing, and found out afterwards', async () => {
  const key = newKey(), body = payment({ payment_method_token: 'pm_tok_timeout_after' });
  const running = florin.post('/v1/payments', body, { idempotencyKey: key }).catch(() => undefined);
  await waitFor(async () => (await florin.get('/v1/payments?status=processing')).json.data.length > 0);
  await florin.stop();
  const first = await running;
  await florin.restart();
  const again = await waitFor(async () => {
    const answer = await florin.post('/v1/payments', body, { idempotencyKey: key });
    return answer.status !== 409 && answer;
  });
  if (first) assert.equal(again.text, first.text);
  const now = await waitFor(async () => {
    const p = await readPayment(florin, assertOk(again).id);
    return p.status !== 'processing' && p;
  }, { timeout: 15000 });
  assert.equal(now.status, 'captured');
});

test('starting on a folder that is in use is refused, and does no harm', async () => {
  const paid = await pay(florin);
  await assert.rejects(start({ dataDir: florin.dataDir }));
  assert.equal((await readPayment(florin, paid.id)).status, 'captured');
});

test('the same keys and addresses are there after a restart', async () => {
  const { secret_key: key, merchant_id: merchant, api } = florin;
  await florin.restart();
  assert.equal(florin.secret_key, key);
  assert.equal(florin.merchant_id, merchant);
  assert.equal(florin.api, api);
  assertOk(await florin.get('/v1/balances'));
});

test('an api process that dies is started again by its parent', async () => {
  const paid = await pay(florin);
  const { api: old } = florin.processes;
  process.kill(old, 'SIGKILL');
  await waitFor(async () => {
    const answer = await florin.get('/readyz', { key: null }).catch(() => undefined);
    return answer?.status === 200;
  }, { timeout: 15000 });
  assert.equal((await readPayment(florin, paid.id)).id, paid.id);
  assert.throws(() => process.kill(old, 0), 'the old process is gone');
  assert.equal((await pay(florin)).status, 'captured');
});
