// What the provider says by itself: believed when it is signed, counted once, in any order, and never in the way of an answer.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import {
  assertCharged, assertOk, assertProblem, createKey, data, pay, payment, read, readPayment, settled, SLOW, start, times,
  verifyLedger, waitFor,
} from './support.mjs';
import { request } from '../lib/florin.mjs';

const API_KEY = 'sandbox'; // of the account that `florin up` makes
const LATER = { 'inquiry-delay-ms': 120000, 'inquiry-backoff-max-ms': 120000 }; // nothing is found out by asking

let quiet, account; // its provider sends nothing: the tests do
before(async () => {
  quiet = await start({ settings: { ...LATER, 'sandbox-webhooks': false } });
  [account] = await data(quiet, '/v1/provider_accounts');
});
after(async () => {
  if (quiet) await verifyLedger(quiet);
  await quiet?.stop();
});

// --- sentences ---

let made = 0;
const eventOf = (type, object, id = `ev_test_${process.pid}_${++made}`) => ({ id, type, created: Date.now(), object });

function sign(body, { key = API_KEY, at = Date.now() / 1000 } = {}) {
  const secret = createHash('sha256').update(`sandbox webhook:${key}`).digest('hex');
  const time = Math.floor(at);
  return `t=${time},v1=${createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')}`;
}

// Sends an event (or raw text) to an account's address.
function deliver(florin, event, { to = account.id, headers = {}, ...how } = {}) {
  const body = typeof event === 'string' ? event : JSON.stringify(event);
  return request(`${florin.public}/webhooks/${to}`, {
    method: 'POST', body, headers: { 'Content-Type': 'application/json', 'Sandbox-Signature': sign(body, how), ...headers },
  });
}

async function assertTaken(answer) {
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.text, '{}');
}

const attemptOf = (id) => id.replace('pay_', 'att_').replace(/.$/, '1'); // as explained in docs: the payment's id and a number
const charge = (id, more = {}) => ({
  object: 'charge', result: 'approved', state: 'captured', reference: attemptOf(id), charge_id: 'ch_1', amount: 9232, currency: 'EUR', ...more,
});
const captured = (id, more) => eventOf('charge.captured', charge(id, more));
const cleared = (id, amount) => eventOf('charge.cleared', { object: 'clearing', reference: attemptOf(id), amount, currency: 'EUR' });
const disputed = (id, version, status, more = {}) => eventOf(version > 1 ? 'dispute.updated' : 'dispute.opened', {
  object: 'dispute', id: `dp_${id}`, charge_reference: attemptOf(id), stage: 'chargeback', status, reason: 'fraudulent',
  network_reason_code: '10.4', amount: 3000, currency: 'EUR', fee: 1500, funds: 'withdrawn', version, ...more,
});

// The provider took the money and the answer was lost.
async function unknown(florin = quiet, overrides = {}) {
  const now = await pay(florin, { payment_method_token: 'pm_tok_timeout_after', ...overrides });
  assert.equal(now.status, 'processing');
  const [attempt] = await data(florin, `/v1/payments/${now.id}/attempts`);
  assert.equal(attempt.id, attemptOf(now.id));
  return now.id;
}

const types = async (florin, id) => (await data(florin, `/v1/payments/${id}/events`)).map((event) => event.type);

async function metric(florin, result) {
  const text = (await florin.get('/metrics')).text;
  const line = text.split('\n').find((one) => one.startsWith('florin_provider_webhooks_total{') && one.includes(`result="${result}"`));
  return line ? Number(line.split(' ').at(-1)) : 0;
}

// --- believed ---

test('a signed webhook settles what waits for it, once', async () => {
  const id = await unknown(), event = captured(id), before = await metric(quiet, 'duplicate');
  await assertTaken(await deliver(quiet, event));
  assert.equal((await readPayment(quiet, id)).status, 'captured', 'known before the webhook was answered');
  for (const answer of await times(10, () => deliver(quiet, event))) await assertTaken(answer);
  await assertTaken(await deliver(quiet, captured(id))); // the same news in another event
  assert.deepEqual(await types(quiet, id), ['payment.captured', 'payment.processing']);
  assert.equal((await data(quiet, `/v1/payments/${id}/journals`)).length, 1);
  await assertCharged(quiet, id, { captured: 9232 });
  assert.equal(await metric(quiet, 'duplicate'), before + 10);
});

test('twenty at once are one', async () => {
  const id = await unknown(), event = captured(id);
  for (const answer of await times(20, () => deliver(quiet, event))) await assertTaken(answer);
  assert.deepEqual(await types(quiet, id), ['payment.captured', 'payment.processing']);
});

test('a refusal comes by webhook', async () => {
  const id = await unknown();
  await assertTaken(await deliver(quiet, eventOf('charge.refused', charge(id, { result: 'refused', code: '51', state: undefined, amount: undefined }))));
  const now = await readPayment(quiet, id);
  assert.equal(now.status, 'failed');
  assert.equal(now.decline_code, 'insufficient_funds');
});

test('the answer to the shop goes first, whatever the provider says meanwhile', async () => {
  const amount = 7000 + (process.pid % 1000);
  const running = quiet.post('/v1/payments', payment({ amount, payment_method_token: 'pm_tok_slow' }));
  const [found] = await waitFor(async () => {
    const list = await data(quiet, `/v1/payments?amount=${amount}`);
    return list.length ? list : undefined;
  });
  const event = captured(found.id, { amount });
  await assertTaken(await deliver(quiet, event));
  assert.equal((await readPayment(quiet, found.id)).status, 'processing', 'not decided by the webhook');
  assert.equal(assertOk(await running).status, 'captured');
  await assertTaken(await deliver(quiet, event));
  assert.deepEqual(await types(quiet, found.id), ['payment.captured']);
});

test('a disabled account still hears of its payments', async () => {
  const id = await unknown();
  assertOk(await quiet.post(`/v1/provider_accounts/${account.id}/disable`));
  try {
    await assertTaken(await deliver(quiet, captured(id)));
    assert.equal((await readPayment(quiet, id)).status, 'captured');
  } finally {
    assertOk(await quiet.post(`/v1/provider_accounts/${account.id}/enable`));
  }
});

test('what is of no interest, or of somebody else, is taken and changes nothing', async () => {
  await assertTaken(await deliver(quiet, eventOf('something.new', { reference: 'x' })));
  await assertTaken(await deliver(quiet, captured('pay_01ARZ3NDEKTSV4RRFFQ69G5FA0')));
  await assertTaken(await deliver(quiet, captured('pay_01ARZ3NDEKTSV4RRFFQ69G5FA0', { reference: 'order-1' })));
  await assertTaken(await deliver(quiet, captured('pay_01ARZ3NDEKTSV4RRFFQ69G5FA0'), { headers: { 'Content-Type': 'text/plain' } }));
});

// --- not believed ---

test('forged, stale, early, unsigned and other accounts’ webhooks are refused alike, and nothing happens', async () => {
  const id = await unknown(), event = captured(id), body = JSON.stringify(event), now = Date.now() / 1000;
  const attempts = {
    'another key': deliver(quiet, event, { key: 'sandbox2' }),
    'an hour old': deliver(quiet, event, { at: now - 3600 }),
    'an hour early': deliver(quiet, event, { at: now + 3600 }),
    'another body': deliver(quiet, event, { headers: { 'Sandbox-Signature': sign(`${body} `) } }),
    'another time': deliver(quiet, event, { headers: { 'Sandbox-Signature': sign(body).replace(/t=\d+/, `t=${Math.floor(now) - 1}`) } }),
    'no signature': deliver(quiet, event, { headers: { 'Sandbox-Signature': '' } }),
    'no sense': deliver(quiet, event, { headers: { 'Sandbox-Signature': 'x'.repeat(5000) } }),
    'not even JSON': deliver(quiet, '{', { key: 'sandbox2' }),
  };
  const details = new Set();
  for (const attempt of Object.values(attempts)) details.add(assertProblem(await attempt, 403, 'permission_denied').detail);
  assert.equal(details.size, 1, 'a forger learns nothing from the answer');
  assert.equal((await readPayment(quiet, id)).status, 'processing');
  assert.ok(await metric(quiet, 'refused_stale') >= 2);
  assert.ok(await metric(quiet, 'refused_signature') >= 4);
  await assertTaken(await deliver(quiet, event));
  assert.equal((await readPayment(quiet, id)).status, 'captured', 'the refused ones were not remembered');
});

test('other accounts, of the same merchant or of another, do not speak for this one', async () => {
  const id = await unknown(), key = 'quite another';
  const body = { connector: 'sandbox', credentials: { base_url: quiet.sandbox, api_key: key }, priority: 900 };
  const second = assertOk(await quiet.post('/v1/provider_accounts', body));
  const other = await createKey(quiet, '--new-merchant', 'Other');
  const foreign = assertOk(await quiet.post('/v1/provider_accounts', body, { key: other.key }));
  for (const to of [second.id, foreign.id]) {
    assertProblem(await deliver(quiet, captured(id), { to }), 403, 'permission_denied');
    await assertTaken(await deliver(quiet, captured(id), { to, key }));
    await assertTaken(await deliver(quiet, disputed(id, 1, 'needs_response'), { to, key }));
    await assertTaken(await deliver(quiet, cleared(id, 1), { to, key }));
  }
  assert.equal((await readPayment(quiet, id)).status, 'processing');
  assert.deepEqual(await data(quiet, `/v1/payments/${id}/journals`), []);
});

test('an amount that was not asked for is not believed', async () => {
  const id = await unknown();
  await assertTaken(await deliver(quiet, captured(id, { amount: 9233 })));
  await assertTaken(await deliver(quiet, captured(id, { currency: 'USD' })));
  assert.equal((await readPayment(quiet, id)).status, 'processing');
  assert.ok(await metric(quiet, 'contradiction') >= 2);
  const reviews = await data(quiet, `/v1/reviews?payment=${id}`);
  assert.deepEqual(reviews.map((r) => [r.kind, r.status, r.amount_expected, r.amount_seen]), [['provider_contradiction', 'open', 9232, 9233]], 'one for a person to look at');
  assertProblem(await quiet.post(`/v1/reviews/${reviews[0].id}/resolve`, { resolution: 'accept' }), 400, 'parameter_invalid', { param: 'resolution' });
  assert.equal(assertOk(await quiet.post(`/v1/reviews/${reviews[0].id}/resolve`, { resolution: 'dismiss', note: 'wrong currency at their side' })).status, 'closed');
  await assertTaken(await deliver(quiet, captured(id)));
  await assertTaken(await deliver(quiet, eventOf('charge.refused', charge(id, { result: 'refused', code: '05' }))));
  assert.equal((await readPayment(quiet, id)).status, 'captured', 'what is recorded stays');
});

test('unknown accounts, unreadable and oversized webhooks', async () => {
  const id = await unknown(), event = captured(id);
  for (const to of ['pac_01ARZ3NDEKTSV4RRFFQ69G5FA0', 'pac_1', 'x', account.id.replace('pac_', 'pay_')])
    assertProblem(await deliver(quiet, event, { to }), 404, 'not_found');
  for (const text of ['{', '[]', '"x"', '{"id":"ev_1"}', '', JSON.stringify({ ...event, id: '' }), JSON.stringify({ ...event, id: 'x'.repeat(65) }),
    JSON.stringify({ ...event, object: { ...event.object, amount: -1 } })])
    assertProblem(await deliver(quiet, text), 400, 'parameter_invalid');
  assertProblem(await deliver(quiet, JSON.stringify({ ...event, more: 'x'.repeat(300000) })), 413, 'body_too_large');
  assertProblem(await request(`${quiet.public}/webhooks/${account.id}`), 405, 'method_not_allowed');
  assert.equal((await readPayment(quiet, id)).status, 'processing');
  assert.ok(!quiet.log().includes(event.object.charge_id), 'bodies are not logged');
});

// --- any order ---

// What is to be seen in the end, read from what comes last on.
async function ending(florin, id) {
  const disputes = (await data(florin, `/v1/disputes?payment=${id}`)).map((one) => `${one.status} ${one.amount}`);
  const { status, amount_captured, amount_refunded, amount_disputed, amount_cleared } = await readPayment(florin, id);
  const journals = (await data(florin, `/v1/payments/${id}/journals`)).map(({ kind, postings }) => JSON.stringify({ kind, postings }));
  return { status, amount_captured, amount_refunded, amount_disputed, amount_cleared, disputes, journals: journals.sort() };
}

function shuffled(list, seed) {
  const result = [...list];
  let state = seed * 2654435761 >>> 0;
  for (let i = result.length - 1; i > 0; i--) {
    state = (state * 1664525 + 1013904223) >>> 0;
    const j = Math.floor(state / 2 ** 32 * (i + 1));
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

test('in whatever order they come, and however often, the same has happened', async () => {
  const ends = await times(16, async (n) => {
    const id = await unknown();
    const news = [captured(id), cleared(id, 11540), disputed(id, 1, 'needs_response'), disputed(id, 2, 'under_review'),
      disputed(id, 3, 'lost'), disputed(id, 4, 'won', { funds: 'returned' })];
    const order = n === 0 ? news : shuffled([...news, ...shuffled(news, n).slice(0, n % 6)], n);
    for (const event of order) await assertTaken(await deliver(quiet, event));
    return waitFor(async () => {
      const end = await ending(quiet, id);
      return end.amount_cleared === 11540 && end.disputes[0] === 'won 3000' && end;
    }, { timeout: 30000, message: () => `order ${n}: ${order.map((event) => `${event.type} ${event.object.version ?? ''}`)}` });
  });
  for (const end of ends) assert.deepEqual(end, ends[0]);
  assert.deepEqual(ends[0].journals.map((one) => JSON.parse(one).kind),
    ['clearing_review', 'dispute_hold', 'dispute_loss', 'dispute_reversal', 'sale']);
});

test('a webhook that waits survives a crash', async () => {
  const florin = await start({ settings: { ...LATER, 'sandbox-webhooks': false } });
  try {
    const [{ id: to }] = await data(florin, '/v1/provider_accounts');
    const id = await unknown(florin);
    await assertTaken(await deliver(florin, cleared(id, 9232), { to }));
    assert.equal((await readPayment(florin, id)).amount_cleared, null);
    await florin.kill9();
    await florin.start();
    await assertTaken(await deliver(florin, captured(id), { to }));
    await waitFor(async () => (await readPayment(florin, id)).amount_cleared === 9232);
    await verifyLedger(florin);
  } finally {
    await florin.stop();
  }
});

// --- the sandbox sends them itself ---

test('with a provider that sends webhooks nobody has to ask', async () => {
  const florin = await start({ settings: LATER });
  try {
    for (const token of ['pm_tok_async', 'pm_tok_timeout_after']) {
      const { id } = await pay(florin, { payment_method_token: token });
      assert.equal((await settled(florin, id)).status, 'captured', token);
      await assertCharged(florin, id, { captured: 9232 });
    }
    for (const token of ['pm_tok_duplicate_webhook', 'pm_tok_webhook_first', 'pm_tok_webhook_out_of_order', 'pm_tok_visa']) {
      const now = await pay(florin, { payment_method_token: token });
      assert.equal(now.status, 'captured', token);
      await assertCharged(florin, now.id, { captured: 9232 });
      assert.deepEqual(await types(florin, now.id), ['payment.captured'], token);
    }
    await waitFor(async () => await metric(florin, 'ignored') + await metric(florin, 'applied') + await metric(florin, 'waiting') >= 6);
    await verifyLedger(florin);
  } finally {
    await florin.stop();
  }
});

test('a lost webhook is made good by asking', async () => {
  const florin = await start({ settings: { 'sandbox-webhooks': false } });
  try {
    const { id } = await pay(florin, { payment_method_token: 'pm_tok_async' });
    assert.equal((await settled(florin, id)).status, 'captured');
    await assertCharged(florin, id, { captured: 9232 });
    assert.equal(await metric(florin, 'applied'), 0);
  } finally {
    await florin.stop();
  }
});
