// The cases that every integration meets, one test each, told as a merchant's backend lives them. The details of each are in the other
// files. (A payout that fails joins with payouts.)
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertCharged, assertOk, assertProblem, data, pay, payment, readPayment, refund, start, verifyLedger, waitFor } from './support.mjs';

let florin;
before(async () => { florin = await start(); });
after(async () => { await verifyLedger(florin); await florin.stop(); });

test('1. success, and decline', async () => {
  const paid = await pay(florin);
  assert.equal(paid.status, 'captured');
  await assertCharged(florin, paid.id, { captured: 9232 });
  const answer = await florin.post('/v1/payments', payment({ payment_method_token: 'pm_tok_declined_insufficient_funds' }));
  const problem = assertProblem(answer, 402, 'payment_declined', { decline: 'insufficient_funds' });
  assert.equal(problem.payment.status, 'failed');
});

test('2. 3-D Secure challenge', async () => {
  const p = await pay(florin, { payment_method_token: 'pm_tok_3ds_challenge', return_url: 'https://shop.example/done' });
  assert.equal(p.status, 'requires_action');
  const bank = await fetch(`${p.next_action.url}?answer=approve`, { method: 'POST', redirect: 'manual' });
  const back = await fetch(bank.headers.get('location'), { redirect: 'manual' });
  assert.equal(back.headers.get('location'), `https://shop.example/done?payment=${p.id}&status=captured`);
  await assertCharged(florin, p.id, { captured: 9232 });
});

test('3. the provider does not answer: processing, then what became of it, and one charge', async () => {
  const p = await pay(florin, { payment_method_token: 'pm_tok_timeout_after' });
  assert.equal(p.status, 'processing');
  await waitFor(async () => (await readPayment(florin, p.id)).status === 'captured');
  await assertCharged(florin, p.id, { captured: 9232 });
  const q = assertOk(await florin.post('/v1/payments', payment({ payment_method_token: 'pm_tok_timeout_before' })));
  assert.equal(q.status, 'processing');
  const lost = await waitFor(async () => {
    const now = await readPayment(florin, q.id);
    return now.status === 'failed' && now;
  }, { timeout: 20000 });
  assert.equal(lost.decline_code, 'provider_timeout');
});

test('4. a webhook that comes twice happened once', async () => {
  const p = await pay(florin, { payment_method_token: 'pm_tok_duplicate_webhook' });
  const attempts = await data(florin, `/v1/payments/${p.id}/attempts`);
  await waitFor(async () => {
    const { webhooks } = await (await fetch(`${florin.sandbox}/control/webhooks?reference=${attempts[0].id}`)).json();
    return webhooks.length >= 2 && webhooks.every((w) => w.state === 'accepted');
  });
  assert.equal((await data(florin, `/v1/payments/${p.id}/journals`)).length, 1);
  assert.deepEqual((await data(florin, `/v1/payments/${p.id}/events`)).map((e) => e.type), ['payment.captured']);
});

test('5. partial capture, partial refund', async () => {
  const p = await pay(florin, { amount: 10000, capture: false });
  const part = assertOk(await florin.post(`/v1/payments/${p.id}/capture`, { amount: 6000, final: true }));
  assert.deepEqual([part.status, part.amount_captured, part.amount_capturable], ['captured', 6000, 0]);
  assert.equal((await refund(florin, p.id, { amount: 2500 })).status, 'succeeded');
  assertProblem(await florin.post(`/v1/payments/${p.id}/refund`, { amount: 3501 }), 400, 'parameter_invalid', { param: 'amount' });
  assert.equal((await refund(florin, p.id)).amount, 3500);
  assert.equal((await readPayment(florin, p.id)).status, 'refunded');
  await assertCharged(florin, p.id, { captured: 6000, refunded: 6000 });
});

test('6. the customer turns back on the redirect', async () => {
  const p = await pay(florin, { payment_method_token: 'pm_tok_3ds_redirect', return_url: 'https://shop.example/done' });
  assert.equal(p.next_action.type, 'redirect');
  const bank = await fetch(`${p.next_action.url}?answer=cancel`, { method: 'POST', redirect: 'manual' });
  const back = await fetch(bank.headers.get('location'), { redirect: 'manual' });
  assert.equal(new URL(back.headers.get('location')).searchParams.get('status'), 'failed');
  const now = await readPayment(florin, p.id);
  assert.deepEqual([now.status, now.decline_code, now.amount_captured], ['failed', 'authentication_canceled', 0]);
});
