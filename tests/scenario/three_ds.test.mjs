// 3-D Secure as the merchant's backend sees it; the browser's side is in browser_three_ds.test.mjs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertOk, assertProblem, data, pay, payment, read, readPayment, start, verifyLedger, waitFor } from './support.mjs';

let florin, manual; // Florin confirms by itself when it learns that the customer has acted; `manual` leaves that to the merchant
before(async () => { [florin, manual] = await Promise.all([start(), start({ settings: { 'confirm-on-return': 'false' } })]); });
after(async () => {
  for (const one of [florin, manual]) {
    await verifyLedger(one);
    await one.stop();
  }
});

const challenged = (overrides, at = florin) => pay(at, { payment_method_token: 'pm_tok_3ds_challenge', return_url: 'https://shop.example/done?cart=7', ...overrides });
const confirm = (id, body = {}, options, at = florin) => at.post(`/v1/payments/${id}/confirm`, body, options);

// The issuer's page, without a browser: the answer of its form. Says where the browser is sent.
async function answer(next, choice) {
  const response = await fetch(`${next.url}?answer=${choice}`, { method: 'POST', redirect: 'manual' });
  assert.equal(response.status, 303, await response.text());
  return response.headers.get('location');
}

// The browser comes back to the public zone, looks again as long as it is told to, and says where it is sent from there.
async function back(location) {
  for (let tries = 0; ; tries++) {
    const response = await fetch(location, { redirect: 'manual' });
    assert.match(response.headers.get('cache-control'), /no-store/);
    if (response.status === 303) return new URL(response.headers.get('location'));
    const again = response.headers.get('refresh')?.match(/^1;url=(.*)$/);
    assert.ok(response.status === 200 && again && tries < 10, `${response.status} after ${tries} tries`);
    location = new URL(again[1], location);
  }
}

test('a challenge: the payment waits for the customer, says how, and is captured when the browser comes back', async () => {
  const p = await challenged();
  assert.equal(p.status, 'requires_action');
  assert.equal(p.amount_authorized, 0);
  assert.equal(p.next_action.type, 'three_ds_challenge');
  assert.match(p.next_action.url, /^http/);
  assert.ok(Date.parse(p.next_action.expires_at) > Date.now());
  const home = await back(await answer(p.next_action, 'approve'));
  assert.equal(home.origin + home.pathname, 'https://shop.example/done');
  assert.deepEqual(Object.fromEntries(home.searchParams), { cart: '7', payment: p.id, status: 'captured' });
  const now = await readPayment(florin, p.id);
  assert.equal(now.status, 'captured');
  assert.equal(now.next_action, null);
  assert.deepEqual({ flow: now.three_ds.flow, eci: now.three_ds.eci, version: now.three_ds.version, liability_shift: now.three_ds.liability_shift }, { flow: 'challenge', eci: '05', version: '2.2.0', liability_shift: true });
  const types = (await data(florin, `/v1/payments/${p.id}/events`)).map((e) => e.type).reverse();
  assert.deepEqual(types, ['payment.requires_action', 'payment.captured']);
});

test('coming back again, or twice at once, changes nothing and leads home', async () => {
  const p = await challenged({ amount: 500 });
  const location = await answer(p.next_action, 'approve');
  const homes = await Promise.all([back(location), back(location), back(location)]);
  for (const home of homes) assert.ok(['captured', 'processing', 'requires_action'].includes(home.searchParams.get('status')), home.href);
  await waitFor(async () => (await readPayment(florin, p.id)).status === 'captured');
  assert.equal((await back(location)).searchParams.get('status'), 'captured');
  assert.equal(await answer(p.next_action, 'cancel'), location, 'an answered page leads back');
  assert.equal((await readPayment(florin, p.id)).amount_captured, 500);
  assert.equal((await data(florin, `/v1/payments/${p.id}/journals`)).length, 1);
});

for (const [choice, decline] of [['fail', 'authentication_failed'], ['cancel', 'authentication_canceled'], ['expire', 'authentication_expired']]) {
  test(`${choice}: declined as ${decline}; a new attempt on the same payment succeeds`, async () => {
    const p = await challenged();
    const home = await back(await answer(p.next_action, choice));
    assert.equal(home.searchParams.get('status'), 'failed');
    const failed = await readPayment(florin, p.id);
    assert.equal(failed.status, 'failed');
    assert.equal(failed.decline_code, decline);
    const again = assertOk(await confirm(p.id));
    assert.equal(again.status, 'requires_action');
    assert.equal(again.decline_code, null);
    assert.equal(again.attempts, 2);
    assert.notEqual(again.next_action.url, p.next_action.url);
    await back(await answer(again.next_action, 'approve'));
    const now = await readPayment(florin, p.id);
    assert.equal(now.status, 'captured');
    const attempts = await data(florin, `/v1/payments/${p.id}/attempts`);
    assert.deepEqual(attempts.map((a) => [a.status, a.decline_code]), [['declined', decline], ['captured', null]]);
  });
}

test('a new attempt may be with another card', async () => {
  const p = await challenged();
  await back(await answer(p.next_action, 'fail'));
  const again = assertOk(await confirm(p.id, { payment_method_token: 'pm_tok_visa' }));
  assert.equal(again.status, 'captured');
  assert.equal(again.payment_method_token, 'pm_tok_visa');
  assert.equal(again.three_ds.flow, 'frictionless');
});

test('there is no endless retry', async () => {
  const p = await challenged();
  await back(await answer(p.next_action, 'fail'));
  for (let n = 2; n <= 5; n++) {
    const again = assertOk(await confirm(p.id));
    assert.equal(again.attempts, n);
    await back(await answer(again.next_action, 'fail'));
  }
  const problem = assertProblem(await confirm(p.id), 409, 'state_conflict');
  assert.match(problem.detail, /5 attempts/);
});

test('the customer never comes back after approving: the merchant confirms', async () => {
  const p = await challenged({ capture: false }, manual);
  await answer(p.next_action, 'approve');
  const now = assertOk(await confirm(p.id, {}, {}, manual));
  assert.equal(now.status, 'authorized');
  assertProblem(await confirm(p.id, {}, {}, manual), 409, 'state_conflict');
});

test('confirming before the customer has acted changes nothing; with the same key it is the same answer', async () => {
  const p = await challenged({}, manual);
  const first = assertOk(await confirm(p.id, {}, { idempotencyKey: 'confirm-early' }, manual));
  assert.equal(first.status, 'requires_action');
  assert.equal(first.next_action.url, p.next_action.url);
  assert.equal(first.version, p.version, 'nothing was announced');
  await answer(p.next_action, 'approve');
  const second = assertOk(await confirm(p.id, {}, { idempotencyKey: 'confirm-early' }, manual));
  assert.equal(second.status, 'requires_action', 'a repeat is answered as the first was');
  const done = assertOk(await confirm(p.id, {}, {}, manual));
  assert.equal(done.status, 'captured');
});

test('the customer never comes back after approving: the webhook of the provider is enough', async () => {
  const p = await challenged();
  await answer(p.next_action, 'approve');
  await waitFor(async () => (await readPayment(florin, p.id)).status === 'captured');
});

test('the customer never answers: the time runs out, and a new attempt is possible', async () => {
  const slow = await start({ settings: { 'sandbox-challenge-ms': 1500, 'confirm-on-return': 'false' } });
  const p = await challenged({}, slow);
  const failed = await waitFor(async () => {
    const now = await readPayment(slow, p.id);
    return now.status === 'failed' && now;
  }, { timeout: 20000 });
  assert.equal(failed.decline_code, 'authentication_expired');
  assert.equal(failed.next_action, null);
  assert.equal(assertOk(await confirm(p.id, {}, {}, slow)).status, 'requires_action');
  await slow.stop();
});

test('confirm twice and confirm after cancel: 409 with the reason', async () => {
  const p = await challenged({}, manual);
  await answer(p.next_action, 'approve');
  assert.equal(assertOk(await confirm(p.id, {}, {}, manual)).status, 'captured');
  assert.match(assertProblem(await confirm(p.id, {}, {}, manual), 409, 'state_conflict').detail, /captured cannot be confirmed/);
  const q = await challenged({}, manual);
  assert.equal(assertOk(await manual.post(`/v1/payments/${q.id}/cancel`, {})).status, 'canceled');
  assert.match(assertProblem(await confirm(q.id, {}, {}, manual), 409, 'state_conflict').detail, /canceled cannot be confirmed/);
  assert.equal((await readPayment(manual, q.id)).next_action, null);
});

test('a payment that was canceled while the customer looked at the page is not taken', async () => {
  const p = await challenged();
  assert.equal(assertOk(await florin.post(`/v1/payments/${p.id}/cancel`, { reason: 'sold out' })).status, 'canceled');
  const response = await fetch(`${p.next_action.url}?answer=approve`, { method: 'POST', redirect: 'manual' });
  assert.ok(response.status < 500, String(response.status));
  const now = await readPayment(florin, p.id);
  assert.equal(now.status, 'canceled');
  assert.equal(now.amount_captured, 0);
});

test('frictionless, required, external: recorded as they went', async () => {
  const frictionless = await pay(florin, { payment_method_token: 'pm_tok_3ds_frictionless' });
  assert.equal(frictionless.status, 'captured');
  assert.equal(frictionless.three_ds.flow, 'frictionless');
  assert.equal(frictionless.three_ds.request, 'automatic');
  const required = await pay(florin, { three_ds: 'required' });
  assert.equal(required.three_ds.request, 'required');
  assert.equal(required.three_ds.flow, 'frictionless');
  const external = { version: '2.2.0', eci: '05', cavv: 'AAABBBCCCDDDEEEFFFGGGHHHIII=', transaction_id: 'f25084f0-5b16-4c0a-ae5d-b24808a95e4b' };
  const own = await pay(florin, { three_ds: { external } });
  assert.equal(own.three_ds.request, 'external');
  assert.equal(own.three_ds.flow, 'external');
  assert.equal(own.three_ds.transaction_id, external.transaction_id);
  assert.ok(!JSON.stringify(own).includes(external.cavv), 'the cryptogram is not kept');
  const exempt = await pay(florin, { amount: 900, three_ds: { exemption: 'low_value' } });
  assert.equal(exempt.three_ds.exemption, 'low_value');
  assert.deepEqual([exempt.three_ds.flow, exempt.three_ds.eci, exempt.three_ds.liability_shift], [null, '07', false]);
});

test('a soft decline turns into a challenge, in a second attempt', async () => {
  const p = await pay(manual, { payment_method_token: 'pm_tok_3ds_soft_decline' });
  assert.equal(p.status, 'requires_action');
  assert.equal(p.attempts, 2);
  assert.equal(p.three_ds.request, 'required');
  const attempts = await data(manual, `/v1/payments/${p.id}/attempts`);
  assert.deepEqual(attempts.map((a) => [a.status, a.decline_code]), [['declined', 'authentication_required'], ['requires_action', null]]);
  await answer(p.next_action, 'approve');
  assert.equal(assertOk(await confirm(p.id, {}, {}, manual)).status, 'captured');
});

test('authenticated, then declined: the decline is the issuer\'s, and another attempt makes no sense', async () => {
  const p = await pay(manual, { payment_method_token: 'pm_tok_3ds_then_declined' });
  await answer(p.next_action, 'approve');
  const problem = assertProblem(await confirm(p.id, {}, {}, manual), 402, 'payment_declined', { decline: 'insufficient_funds' });
  assert.equal(problem.payment.status, 'failed');
  assertProblem(await confirm(p.id, {}, {}, manual), 409, 'state_conflict');
});

test('a redirect is told apart from a challenge', async () => {
  const p = await pay(florin, { payment_method_token: 'pm_tok_3ds_redirect' });
  assert.equal(p.next_action.type, 'redirect');
});

test('merchant-initiated: the network transaction of the first payment opens the way; without it, authentication is required', async () => {
  const customer = assertOk(await florin.post('/v1/customers', { name: 'Ada' }));
  const first = await pay(florin, { payment_method_token: 'pm_tok_3ds_required_off_session', customer: customer.id, save_payment_method: true });
  assert.equal(first.status, 'captured');
  assert.match(first.payment_method, /^pm_/);
  const later = await pay(florin, { payment_method_token: undefined, payment_method: first.payment_method, off_session: true });
  assert.equal(later.status, 'captured');
  assert.equal(later.off_session, true);
  assert.equal(later.customer, customer.id);
  const without = await florin.post('/v1/payments', payment({ payment_method_token: 'pm_tok_3ds_required_off_session', off_session: true }));
  const problem = assertProblem(without, 402, 'payment_declined', { decline: 'authentication_required' });
  assert.equal(problem.payment.next_action, null, 'nobody is there to act');
});

test('a saved method that was detached is not used by another attempt', async () => {
  const customer = assertOk(await manual.post('/v1/customers', { name: 'Bea' }));
  const method = assertOk(await manual.post('/v1/payment_methods', { customer: customer.id, payment_method_token: 'pm_tok_3ds_required_off_session' }));
  const off = await manual.post('/v1/payments', payment({ payment_method_token: undefined, payment_method: method.id, off_session: true }));
  const { payment: failed } = assertProblem(off, 402, 'payment_declined', { decline: 'authentication_required' });
  assertOk(await manual.post(`/v1/payment_methods/${method.id}/detach`, {}));
  assertProblem(await confirm(failed.id, {}, {}, manual), 400, 'parameter_invalid', { param: 'payment_method_token' });
  const other = assertOk(await confirm(failed.id, { payment_method_token: 'pm_tok_mastercard' }, {}, manual));
  assert.equal(other.card.last_four, '4444');
});

test('a saved method learns nothing of another card that a later attempt was made with', async () => {
  const customer = assertOk(await manual.post('/v1/customers', { name: 'Cid' }));
  const method = assertOk(await manual.post('/v1/payment_methods', { customer: customer.id, payment_method_token: 'pm_tok_3ds_fail' }));
  const p = await pay(manual, { payment_method_token: undefined, payment_method: method.id });
  await answer(p.next_action, 'fail');
  await waitFor(async () => (await readPayment(manual, p.id)).status === 'failed');
  assert.equal(assertOk(await confirm(p.id, { payment_method_token: 'pm_tok_mastercard' }, {}, manual)).status, 'captured');
  const now = assertOk(await manual.get(`/v1/payment_methods/${method.id}`));
  assert.notEqual(now.card?.last_four, '4444');
});

test('a customer who was deleted while the bank asked keeps no card', async () => {
  const customer = assertOk(await manual.post('/v1/customers', { name: 'Dee' }));
  const p = await challenged({ customer: customer.id, save_payment_method: true }, manual);
  assertOk(await manual.post(`/v1/customers/${customer.id}/delete`, {}));
  await answer(p.next_action, 'approve');
  const paid = assertOk(await confirm(p.id, {}, {}, manual));
  assert.equal(assertOk(await manual.get(`/v1/payment_methods/${paid.payment_method}`)).status, 'detached');
});

test('bad 3-D Secure members are named', async () => {
  const bad = async (three_ds, param, more = {}) => assertProblem(await florin.post('/v1/payments', payment({ three_ds, ...more })), 400, 'parameter_invalid', { param });
  await bad('maybe', 'three_ds');
  await bad(7, 'three_ds');
  await bad({ request: 'no' }, 'three_ds.request');
  await bad({ exemption: 'because' }, 'three_ds.exemption');
  await bad({ external: { version: '2.2.0', eci: 'xx', cavv: 'AAABBBCCCDDDEEEFFFGGGHHHIII=', transaction_id: 'f25084f0-5b16-4c0a-ae5d-b24808a95e4b' } }, 'three_ds.external.eci');
  await bad('required', 'three_ds', { off_session: true });
});

test('a return address with another key, payment or merchant is nobody\'s', async () => {
  const p = await challenged({}, manual);
  const location = new URL(await answer(p.next_action, 'approve'));
  const [, word, merchant, id, key] = location.pathname.split('/');
  const other = key.replace(/^./, (c) => (c === '0' ? '1' : '0'));
  for (const path of [`/${word}/${merchant}/${id}/${other}`, `/${word}/${Number(merchant) + 2}/${id}/${key}`, `/${word}/${merchant}/${id}/`, `/${word}/${merchant}/${id}`, `/${word}/x/${id}/${key}`]) {
    const response = await fetch(new URL(path, location), { redirect: 'manual' });
    assert.equal(response.status, 404, path);
  }
  assert.equal((await readPayment(manual, p.id)).status, 'requires_action');
});

test('the way of an authentication is told in explain', async () => {
  const p = await challenged();
  await back(await answer(p.next_action, 'fail'));
  const e = await read(florin, `/v1/payments/${p.id}/explain`);
  assert.match(e.summary, /authentication_failed/);
});
