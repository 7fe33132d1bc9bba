// The first thing anybody does with Florin: a payment, and the webhook that tells of it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import {
  assertCharged, assertOk, assertProblem, data, newKey, pay, payment, read, readPayment, start, startReceiver, verifyLedger,
  waitFor,
} from './support.mjs';

let florin, receiver;
before(async () => {
  florin = await start();
  receiver = await startReceiver();
});
after(async () => {
  await florin?.stop();
  await receiver?.close();
});

test('the example of the mission works literally: captured at once, and its signed webhook arrives', async () => {
  const endpoint = assertOk(await florin.post('/v1/webhook_endpoints', { url: receiver.url }));
  const answer = await florin.post('/v1/payments', {
    amount: 9232,
    currency: 'EUR',
    payment_method_token: 'pm_tok_visa',
    capture: true,
    metadata: { order_id: 'ORD-1001' },
  });
  const paid = assertOk(answer);
  assert.match(paid.id, /^pay_[0-9A-HJKMNP-TV-Z]{26}$/i);
  assert.equal(paid.status, 'captured');
  const delivery = await waitFor(() => receiver.requests.find((r) => r.json.type === 'payment.captured'));
  const event = new Webhook(endpoint.secret).verify(delivery.body, delivery.headers);
  assert.equal(event.type, 'payment.captured');
  assert.equal(event.data.id, paid.id);
  assert.equal(event.data.amount, 9232);
  assert.equal(event.data.currency, 'EUR');
  assert.deepEqual(event.data.metadata, { order_id: 'ORD-1001' });
  assert.equal(event.id, delivery.headers['webhook-id']);
  assert.deepEqual(event.data, paid, 'the webhook carries what the answer showed');
  await assertCharged(florin, paid.id, { captured: 9232, status: 'captured' });
  await verifyLedger(florin);
});

test('a payment shows all its members, with nulls where there is nothing', async () => {
  const paid = await pay(florin);
  assert.deepEqual(Object.keys(paid).sort(), [
    'acquirer_reference', 'amount', 'amount_authorized', 'amount_capturable', 'amount_captured', 'amount_cleared', 'amount_disputed',
    'amount_refunded', 'attempts', 'capture', 'capture_before', 'card', 'checkout', 'created', 'currency', 'customer', 'decline_code', 'description',
    'id', 'metadata', 'mode', 'network_reference', 'next_action', 'object', 'off_session', 'order', 'payment_method',
    'payment_method_token', 'provider_account', 'provider_reference', 'return_url', 'statement_descriptor', 'status', 'three_ds',
    'updated', 'version',
  ].sort());
  assert.equal(paid.object, 'payment');
  assert.equal(paid.mode, 'test');
  assert.equal(paid.amount_authorized, 9232);
  assert.equal(paid.amount_capturable, 0);
  assert.equal(paid.amount_captured, 9232);
  assert.equal(paid.amount_refunded, 0);
  assert.equal(paid.amount_disputed, 0);
  assert.equal(paid.amount_cleared, null);
  assert.equal(paid.capture_before, null);
  assert.deepEqual(paid.card, { brand: 'visa', last_four: '4242' });
  assert.deepEqual(paid.three_ds, { request: 'automatic', exemption: null, flow: null, version: null, eci: null, transaction_id: null, liability_shift: null });
  assert.deepEqual([paid.customer, paid.order, paid.payment_method, paid.off_session, paid.attempts], [null, null, null, false, 1]);
  assert.equal(paid.capture, true);
  assert.equal(paid.payment_method_token, 'pm_tok_visa');
  assert.equal(paid.description, null);
  assert.equal(paid.next_action, null);
  assert.equal(paid.decline_code, null);
  assert.deepEqual(paid.metadata, {});
  assert.match(paid.provider_account, /^pac_/);
  assert.equal(typeof paid.provider_reference, 'string');
  assert.equal(typeof paid.network_reference, 'string');
  for (const time of [paid.created, paid.updated]) {
    assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60000);
  }
});

test('what was sent comes back unchanged, whatever alphabet it is written in', async () => {
  const metadata = { order_id: 'ORD-1', 'ключ': 'значение', emoji: '🧾 «quoted» "double" \\back\\ /slash/', empty: '', line: 'a\nb\tc' };
  const sent = {
    description: 'Zwölf Boxkämpfer, 12 €',
    statement_descriptor: 'FLORIN SHOP 42',
    return_url: 'https://shop.example/return?order=1&x=%20',
    metadata,
  };
  const paid = await pay(florin, sent);
  for (const [name, value] of Object.entries(sent)) assert.deepEqual(paid[name], value);
  assert.deepEqual(await readPayment(florin, paid.id), paid);
});

test('metadata may have 50 keys of 40 characters with values of 500', async () => {
  const metadata = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`${i}`.padEnd(40, 'ä'), '€'.repeat(500)]));
  const paid = await pay(florin, { metadata });
  assert.deepEqual((await readPayment(florin, paid.id)).metadata, metadata);
});

test('amounts are minor units of the currency, however many digits it has', async () => {
  for (const [currency, amount] of [['EUR', 1], ['JPY', 500], ['KWD', 1234567], ['USD', 999999999999]]) {
    const paid = await pay(florin, { currency, amount });
    assert.equal(paid.status, 'captured');
    assert.equal(paid.currency, currency);
    assert.equal(paid.amount_captured, amount);
    const charge = await assertCharged(florin, paid.id, { captured: amount });
    assert.equal(charge.currency, currency);
  }
});

test('capture false only authorizes; capture is true when it is not said', async () => {
  const held = await pay(florin, { capture: false });
  assert.equal(held.status, 'authorized');
  assert.equal(held.amount_authorized, 9232);
  assert.equal(held.amount_capturable, 9232);
  assert.equal(held.amount_captured, 0);
  await assertCharged(florin, held.id, { captured: 0, status: 'authorized' });
  assert.equal((await pay(florin)).status, 'captured');
});

test('optional members may be null', async () => {
  const paid = await pay(florin, { description: null, statement_descriptor: null, return_url: null, metadata: null });
  assert.equal(paid.description, null);
  assert.deepEqual(paid.metadata, {});
});

test('a slow provider is waited for', async () => {
  const paid = await pay(florin, { payment_method_token: 'pm_tok_slow' });
  assert.equal(paid.status, 'captured');
  await assertCharged(florin, paid.id, { captured: 9232 });
});

test('the attempt shows the provider’s references and belongs to the payment', async () => {
  const paid = await pay(florin);
  const attempts = await data(florin, `/v1/payments/${paid.id}/attempts`);
  assert.equal(attempts.length, 1);
  const [attempt] = attempts;
  assert.match(attempt.id, /^att_/);
  assert.equal(attempt.object, 'attempt');
  assert.equal(attempt.payment, paid.id);
  assert.equal(attempt.status, 'captured');
  assert.equal(attempt.amount, 9232);
  assert.equal(attempt.provider, 'sandbox');
  assert.equal(attempt.provider_account, paid.provider_account);
  assert.equal(attempt.provider_reference, paid.provider_reference);
  assert.equal(attempt.network_reference, paid.network_reference);
  assert.equal(typeof attempt.authorization_code, 'string');
  assert.equal(attempt.decline_code, null);
});

test('a payment explains itself', async () => {
  const paid = await pay(florin);
  const told = await read(florin, `/v1/payments/${paid.id}/explain`);
  assert.equal(told.object, 'explanation');
  assert.equal(told.payment, paid.id);
  assert.equal(told.status, 'captured');
  assert.match(told.summary, /92\.32 EUR/);
  assert.ok(told.timeline.length >= 3);
  for (const entry of told.timeline) {
    assert.ok(entry.what && entry.detail);
    assert.ok(Number.isFinite(Date.parse(entry.at)));
  }
  assert.equal(told.attempts.length, 1);
  const declined = (await florin.post('/v1/payments', payment({ payment_method_token: 'pm_tok_declined_insufficient_funds' }))).json.payment;
  assert.match((await read(florin, `/v1/payments/${declined.id}/explain`)).summary, /insufficient_funds/);
});

test('ids are read in either case of letters, and shown in one', async () => {
  const paid = await pay(florin);
  const [prefix, rest] = paid.id.split('_');
  for (const id of [rest.toLowerCase(), rest.toUpperCase()])
    assert.equal((await readPayment(florin, `${prefix}_${id}`)).id, paid.id);
});

test('without an Idempotency-Key two equal requests are two payments', async () => {
  const [a, b] = [await pay(florin, {}, { idempotencyKey: null }), await pay(florin, {}, { idempotencyKey: null })];
  assert.notEqual(a.id, b.id);
  await assertCharged(florin, a.id, { captured: 9232 });
  await assertCharged(florin, b.id, { captured: 9232 });
});

test('sync on a payment that is known returns it as it is', async () => {
  const paid = await pay(florin);
  assert.deepEqual(assertOk(await florin.post(`/v1/payments/${paid.id}/sync`, {})), paid);
  assert.deepEqual(assertOk(await florin.post(`/v1/payments/${paid.id}/sync`, {}, { idempotencyKey: newKey() })), paid);
});

test('a provider account that is disabled is not used; without any the payment is refused before it begins', async () => {
  const [account] = await data(florin, '/v1/provider_accounts');
  assert.equal(account.connector, 'sandbox');
  assertOk(await florin.post(`/v1/provider_accounts/${account.id}/disable`, {}));
  try {
    const before = await data(florin, '/v1/payments?limit=1');
    assertProblem(await florin.post('/v1/payments', payment()), 422, 'unprocessable');
    assert.deepEqual(await data(florin, '/v1/payments?limit=1'), before);
  } finally {
    assertOk(await florin.post(`/v1/provider_accounts/${account.id}/enable`, {}));
  }
  assert.equal((await pay(florin)).status, 'captured');
});
