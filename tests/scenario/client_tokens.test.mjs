// Client tokens: what a merchant lets one browser do, once. Their secrets, what they refuse, what a browser sees of a payment, and
// that one token is at most one payment.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  all, assertCharged, assertOk, assertProblem, count, newKey, pay, readPayment, start, times, verifyLedger, waitFor,
} from './support.mjs';
import { request } from '../lib/florin.mjs';

const ORIGIN = 'https://shop.example';
const CARD = { number: '4242424242424242', exp_month: 12, exp_year: 2034, cvc: '123' };

let florin;
before(async () => { florin = await start(); });
after(async () => {
  if (florin) await verifyLedger(florin);
  await florin?.stop();
});

const create = (body, options) => florin.post('/v1/client_tokens', body, options);
const method = (overrides) => ({ purpose: 'payment_method', origin: ORIGIN, ...overrides });
const paying = (overrides) => ({ purpose: 'payment', origin: ORIGIN, amount: 9232, currency: 'EUR', ...overrides });
const made = async (body) => assertOk(await create(body));

// As a page would: on the public listener, with the token alone.
const client = (how, path, token, { body, headers = {} } = {}) => request(`${florin.public}${path}`, {
  method: how, body, headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...(body ? { 'Content-Type': 'application/json' } : {}), ...headers },
});
const confirm = (token, body = {}) => client('POST', '/client/confirm', token, { body });
const look = (token) => client('GET', '/client/payment', token);
const giveCard = (token, card = CARD, origin = ORIGIN) => request(`${florin.card}/v1/cards`, {
  method: 'POST', body: { ...card, page_origin: origin }, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
});

test('a token for a payment method: its secret is shown once, with what it is for', async () => {
  const t = await made(method());
  assert.match(t.id, /^ctk_[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.match(t.client_token, /^ct_test_[0-9a-z]+_[0-9A-Za-z]{43}$/);
  assert.deepEqual(
    { ...t, id: 0, client_token: 0, created: 0, expires_at: 0 },
    {
      id: 0, object: 'client_token', mode: 'test', client_token: 0, purpose: 'payment_method', status: 'issued', origin: ORIGIN,
      amount: null, amount_min: null, amount_max: null, currency: null, customer: null, payment_method: null, payment: null,
      expires_at: 0, created: 0,
    });
  assert.equal(Date.parse(t.expires_at) - Date.parse(t.created), 900_000);
});

test('a token for a payment shows all that the payment will have', async () => {
  const customer = assertOk(await florin.post('/v1/customers', { email: 'ann@shop.example' })).id;
  const order = assertOk(await florin.post('/v1/orders', { amount: 10000, currency: 'EUR' })).id;
  const t = await made(paying({
    customer, order, capture: false, description: 'Socks', statement_descriptor: 'SHOP', return_url: `${ORIGIN}/done`, expires_in: 60,
    metadata: { cart: '7' }, three_ds: 'required', save_payment_method: true,
  }));
  assert.equal(t.amount, 9232);
  assert.equal(t.amount_min, 9232);
  assert.equal(t.currency, 'EUR');
  assert.equal(t.customer, customer);
  assert.equal(t.order, order);
  assert.equal(t.capture, false);
  assert.equal(t.save_payment_method, true);
  assert.equal(t.three_ds, 'required');
  assert.equal(t.description, 'Socks');
  assert.equal(t.statement_descriptor, 'SHOP');
  assert.equal(t.return_url, `${ORIGIN}/done`);
  assert.deepEqual(t.metadata, { cart: '7' });
  assert.equal(Date.parse(t.expires_at) - Date.parse(t.created), 60_000);
});

test('a range of amounts', async () => {
  const t = await made(paying({ amount: undefined, amount_min: 100, amount_max: 500 }));
  assert.deepEqual([t.amount, t.amount_min, t.amount_max], [null, 100, 500]);
});

test('origins are brought into the form that browsers send', async () => {
  assert.equal((await made(method({ origin: 'https://Shop.Example:443/' }))).origin, ORIGIN);
  assert.equal((await made(method({ origin: 'http://localhost:3000' }))).origin, 'http://localhost:3000');
});

test('the same key gives the same token again, also after a restart; its secret is nowhere in the store or the log', async () => {
  const key = newKey();
  const first = await create(method(), { idempotencyKey: key });
  const token = assertOk(first).client_token;
  const again = await create(method(), { idempotencyKey: key });
  assert.equal(again.text, first.text);
  assert.equal(again.headers['idempotent-replayed'], 'true');
  assertProblem(await create(method({ expires_in: 60 }), { idempotencyKey: key }), 422, 'idempotency_key_reused');
  await florin.restart();
  assert.equal((await create(method(), { idempotencyKey: key })).text, first.text);
  assert.ok(!florin.log().includes(token.slice(-43)), 'the log does not have it');
});

const refused = [
  ['no purpose', method({ purpose: undefined }), 'parameter_missing', 'purpose'],
  ['another purpose', method({ purpose: 'refund' }), 'parameter_invalid', 'purpose'],
  ['no origin', method({ origin: undefined }), 'parameter_missing', 'origin'],
  ['a path in the origin', method({ origin: `${ORIGIN}/pay` }), 'parameter_invalid', 'origin'],
  ['any origin', method({ origin: '*' }), 'parameter_invalid', 'origin'],
  ['no scheme', method({ origin: 'shop.example' }), 'parameter_invalid', 'origin'],
  ['a user in the origin', method({ origin: 'https://a:b@shop.example' }), 'parameter_invalid', 'origin'],
  ['too short a life', method({ expires_in: 59 }), 'parameter_invalid', 'expires_in'],
  ['too long a life', method({ expires_in: 3601 }), 'parameter_invalid', 'expires_in'],
  ['a customer that is none', method({ customer: 'cus_1' }), 'parameter_invalid', 'customer'],
  ['a customer that is not there', method({ customer: `cus_${'0'.repeat(26)}` }), 'parameter_invalid', 'customer'],
  ...['amount', 'amount_min', 'amount_max'].map((name) => [`${name} for a method`, method({ [name]: 1 }), 'parameter_invalid', name]),
  ['a currency for a method', method({ currency: 'EUR' }), 'parameter_invalid', 'currency'],
  ['capture for a method', method({ capture: true }), 'parameter_invalid', 'capture'],
  ['metadata for a method', method({ metadata: {} }), 'parameter_invalid', 'metadata'],
  ['no amount', paying({ amount: undefined }), 'parameter_missing', 'amount'],
  ['half a range', paying({ amount: undefined, amount_min: 1 }), 'parameter_missing', 'amount_max'],
  ['the other half', paying({ amount: undefined, amount_max: 1 }), 'parameter_missing', 'amount_min'],
  ['a range upside down', paying({ amount: undefined, amount_min: 2, amount_max: 1 }), 'parameter_invalid', 'amount_max'],
  ['an amount and a range', paying({ amount_max: 10000 }), 'parameter_invalid', 'amount_max'],
  ['nothing', paying({ amount: 0 }), 'parameter_invalid', 'amount'],
  ['no currency', paying({ currency: undefined }), 'parameter_missing', 'currency'],
  ['a currency that is none', paying({ currency: 'XXX' }), 'parameter_invalid', 'currency'],
  ['an order that is not there', paying({ order: `ord_${'0'.repeat(26)}` }), 'parameter_invalid', 'order'],
  ['saving for nobody', paying({ save_payment_method: true }), 'parameter_invalid', 'save_payment_method'],
  ['a return address that is none', paying({ return_url: 'javascript:1' }), 'parameter_invalid', 'return_url'],
  ['three_ds of another kind', paying({ three_ds: 'never' }), 'parameter_invalid', 'three_ds'],
  ['an authentication done elsewhere', paying({ three_ds: { external: {
    version: '2.2.0', eci: '05', cavv: 'A'.repeat(28), transaction_id: '0'.repeat(36) } } }), 'parameter_invalid', 'three_ds.external'],
  ['a descriptor with <', paying({ statement_descriptor: '<b>' }), 'parameter_invalid', 'statement_descriptor'],
  ['an unknown member', method({ amont: 1 }), 'parameter_unknown', 'amont'],
];
for (const [name, body, code, param] of refused)
  test(`refused: ${name}`, async () => { assertProblem(await create(body), 400, code, { param }); });

test('a token is not a key, a key is not a token, a publishable key makes none', async () => {
  const { client_token: token } = await made(method());
  assertProblem(await florin.get('/v1/payments', { key: token }), 401, 'authentication_required');
  assertProblem(await create(method(), { key: florin.publishable_key }), 403, 'permission_denied');
  for (const wrong of [undefined, florin.secret_key, florin.publishable_key, `${token}x`, token.slice(0, -1), token.replace('_test_', '_live_'),
    token.replace(/^ct_test_./, 'ct_test_4'), token.toUpperCase(), 'ct_test_2_', 'ct_']) {
    assertProblem(await look(wrong), 401, 'authentication_required');
    assertProblem(await confirm(wrong), 401, 'authentication_required');
  }
});

test('without a card nothing is paid', async () => {
  const { client_token: token } = await made(paying());
  assertProblem(await look(token), 404, 'not_found');
  assertProblem(await confirm(token), 409, 'state_conflict');
  const { client_token: other } = await made(method());
  assertProblem(await confirm(other), 403, 'permission_denied');
});

test('bad input to confirm names the field', async () => {
  const { client_token: token } = await made(paying());
  assertProblem(await confirm(token, { amount: '1' }), 400, 'parameter_invalid', { param: 'amount' });
  assertProblem(await confirm(token, { amount: 0 }), 400, 'parameter_invalid', { param: 'amount' });
  assertProblem(await confirm(token, { currency: 'euro' }), 400, 'parameter_invalid', { param: 'currency' });
  assertProblem(await confirm(token, { payment_method: 'pm_1' }), 400, 'parameter_unknown', { param: 'payment_method' });
  assertProblem(await client('POST', '/client/confirm', token, { body: '{' }), 400, 'json_invalid');
  assertProblem(await client('POST', '/client/confirm?a=1', token), 400, 'parameter_unknown', { param: 'a' });
});

test('pages of every origin may call the client zone, without cookies', async () => {
  const asked = await client('OPTIONS', '/client/confirm', undefined, {
    headers: { Origin: ORIGIN, 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization,content-type' } });
  assert.equal(asked.status, 204);
  assert.equal(asked.headers['access-control-allow-origin'], '*');
  assert.match(asked.headers['access-control-allow-methods'], /POST/);
  assert.match(asked.headers['access-control-allow-headers'], /authorization.*content-type/i);
  assert.equal(asked.headers['access-control-max-age'], '600');
  assert.equal(asked.headers['access-control-allow-credentials'], undefined);
  for (const answer of [await look(undefined), await confirm('ct_'), await client('GET', '/client/confirm')])
    assert.equal(answer.headers['access-control-allow-origin'], '*', `${answer.status} can be read by the page`);
  assert.equal((await request(`${florin.public}/healthz`)).headers['access-control-allow-origin'], undefined);
  assert.equal((await florin.request('OPTIONS', '/v1/payments')).headers['access-control-allow-origin'], undefined);
});

// --- the action of any payment ---

const challenged = () => pay(florin, { payment_method_token: 'pm_tok_3ds_challenge', return_url: `${ORIGIN}/done`, metadata: { secret: 'x' } });

test('an action brings a token, with which the browser sees that payment and nothing else of it', async () => {
  const p = await challenged();
  const token = p.next_action.client_token;
  assert.match(token, /^ct_test_[0-9a-z]+_pay_[0-9A-Z]{26}_[0-9a-f]{32}$/);
  assert.equal((await readPayment(florin, p.id)).next_action.client_token, token);
  assert.deepEqual(assertOk(await look(token)), {
    id: p.id, object: 'payment', status: 'requires_action', amount: 9232, currency: 'EUR', description: null, decline_code: null,
    next_action: { type: 'three_ds_challenge', url: p.next_action.url, expires_at: p.next_action.expires_at },
    payment_method: p.card && { brand: p.card.brand, last_four: p.card.last_four }, return_url: `${ORIGIN}/done`,
  });
  const last = token.at(-1) === '0' ? '1' : '0';
  assertProblem(await look(token.slice(0, -1) + last), 401, 'authentication_required');
  assertProblem(await look(token.replace(p.id, (await challenged()).id)), 401, 'authentication_required');
  assertProblem(await confirm(token, { amount: 1 }), 422, 'idempotency_key_reused');
});

test('the browser that comes back confirms with it, as often as it likes', async () => {
  const p = await challenged();
  assert.equal(assertOk(await confirm(p.next_action.client_token)).status, 'requires_action', 'not yet answered at the bank');
  assert.equal((await request(`${p.next_action.url}?answer=approve`, { method: 'POST' })).status, 303);
  const answers = await times(8, () => confirm(p.next_action.client_token));
  for (const answer of answers) assertOk(answer);
  await waitFor(async () => assertOk(await look(p.next_action.client_token)).status === 'captured');
  assert.equal(assertOk(await confirm(p.next_action.client_token)).next_action, null);
  await assertCharged(florin, p.id, { captured: 9232 });
});

// --- with cards: the card listener ---

test('a card becomes a payment method, once', async () => {
  const { client_token: token } = await made(method());
  const given = await giveCard(token);
  assert.equal(given.status, 201, given.text);
  assert.match(given.json.id, /^pm_/);
  assert.equal(given.json.type, 'card');
  assert.equal(given.json.card.last_four, '4242');
  assert.equal(given.json.card.brand, 'visa');
  assert.equal(given.json.card.exp_year, 2034);
  assert.ok(!given.text.includes('424242'), 'nothing of the number but its end');
  assertProblem(await giveCard(token), 401, 'authentication_required');
  assertProblem(await confirm(token), 403, 'permission_denied');
});

test('a card from a page of another origin is not taken', async () => {
  const { client_token: token } = await made(method());
  assertProblem(await giveCard(token, CARD, 'https://evil.example'), 403, 'permission_denied');
  assert.equal((await giveCard(token)).status, 201, 'the token is still good');
});

test('ten cards may be tried under a token', async () => {
  const { client_token: token } = await made(method());
  for (let i = 0; i < 10; i++) await giveCard(token, CARD, ORIGIN).then((a) => a, () => undefined);
  const late = await giveCard(token);
  assert.ok([401, 429].includes(late.status), late.text);
});

test('one token is one payment, however often it is confirmed at once', async () => {
  const { client_token: token } = await made(paying({ description: 'Socks', metadata: { cart: '9' } }));
  assert.equal((await giveCard(token)).status, 201);
  const before_ = (await all(florin, '/v1/payments')).length;
  const answers = await times(64, () => confirm(token));
  const ids = new Set(answers.map((answer) => assertOk(answer).id));
  assert.equal(ids.size, 1);
  assert.equal((await all(florin, '/v1/payments')).length, before_ + 1);
  const [id] = ids;
  const done = await waitFor(async () => {
    const now = await readPayment(florin, id);
    return now.status === 'captured' && now;
  });
  assert.equal(done.description, 'Socks');
  assert.deepEqual(done.metadata, { cart: '9' });
  assert.deepEqual(assertOk(await look(token)).payment_method, { brand: 'visa', last_four: '4242' });
  assert.equal(assertOk(await confirm(token)).id, id);
  assertProblem(await confirm(token, { amount: 1 }), 422, 'idempotency_key_reused');
  await assertCharged(florin, id, { captured: 9232 });
});

test('the amount stays within what the token allows', async () => {
  const { client_token: token } = await made(paying({ amount: undefined, amount_min: 100, amount_max: 500 }));
  assert.equal((await giveCard(token)).status, 201);
  assertProblem(await confirm(token), 400, 'parameter_missing', { param: 'amount' });
  assertProblem(await confirm(token, { amount: 99 }), 400, 'parameter_invalid', { param: 'amount' });
  assertProblem(await confirm(token, { amount: 501 }), 400, 'parameter_invalid', { param: 'amount' });
  assertProblem(await confirm(token, { amount: 100, currency: 'USD' }), 400, 'parameter_invalid', { param: 'currency' });
  assert.equal(assertOk(await confirm(token, { amount: 500 })).amount, 500);
});

test('a declined card: the view says so, and another token tries again', async () => {
  const { client_token: token } = await made(paying());
  assert.equal((await giveCard(token, { ...CARD, number: '4000000000009995' })).status, 201);
  const view = assertOk(await confirm(token));
  assert.equal(view.status, 'failed');
  assert.equal(view.decline_code, 'insufficient_funds');
  assert.equal(assertOk(await confirm(token)).id, view.id);
});

test('an order is paid once, by whichever token is first', async () => {
  const order = assertOk(await florin.post('/v1/orders', { amount: 9232, currency: 'EUR' })).id;
  const tokens = await times(4, async () => (await made(paying({ order }))).client_token);
  for (const token of tokens) assert.equal((await giveCard(token)).status, 201);
  const answers = await Promise.all(tokens.map((token) => confirm(token)));
  assert.equal(count(answers, (answer) => answer.status === 200), 1);
});
