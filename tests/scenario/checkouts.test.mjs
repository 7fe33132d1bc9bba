// Checkouts: pages on which customers pay. The API, the public page with its headers, how it stands, the tokens it is given, and the
// reports that browsers send of it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { all, assertCharged, assertOk, assertProblem, newKey, otherMerchant, run, start, times, verifyLedger, waitFor } from './support.mjs';
import { request } from '../lib/florin.mjs';

const CARD = { number: '4242424242424242', exp_month: 12, exp_year: 2034, cvc: '123' };
const ITEMS = [{ name: 'Socks', quantity: 2, amount: 1000 }, { name: 'Shipping', amount: 500 }];

let florin;
before(async () => { florin = await start(); });
after(async () => {
  if (florin) await verifyLedger(florin);
  await florin?.stop();
});

const create = (body, options) => florin.post('/v1/checkouts', body, options);
const checkout = (overrides) => ({ amount: 2500, currency: 'EUR', items: ITEMS, ...overrides });
const made = async (overrides) => assertOk(await create(checkout(overrides)));
const state = (url) => request(`${url}/state`);
const token = (url, headers = {}) => request(`${url}/token`, { method: 'POST', headers });
const pageOrigin = () => new URL(florin.public).origin;
const giveCard = (text, card = CARD) => request(`${florin.card}/v1/cards`, {
  method: 'POST', body: { ...card, page_origin: pageOrigin() }, headers: { Authorization: `Bearer ${text}`, 'Content-Type': 'application/json' },
});
const confirm = (text, body = {}) => request(`${florin.public}/client/confirm`, {
  method: 'POST', body, headers: { Authorization: `Bearer ${text}`, 'Content-Type': 'application/json' },
});

test('a checkout has an address, and says how it stands', async () => {
  const c = await made({ description: 'Order 7', return_url: 'https://shop.example/done', locale: 'de', metadata: { cart: '7' } });
  assert.match(c.id, /^chk_[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.ok(c.url.startsWith(`${florin.public}/pay/`), c.url);
  assert.equal(Date.parse(c.expires_at) - Date.parse(c.created), 86_400_000);
  assert.deepEqual({ ...c, id: 0, url: 0, expires_at: 0, created: 0, updated: 0 }, {
    id: 0, object: 'checkout', mode: 'test', status: 'open', url: 0, amount: 2500, currency: 'EUR',
    items: [{ name: 'Socks', quantity: 2, amount: 1000 }, { name: 'Shipping', quantity: 1, amount: 500 }],
    customer: null, payment: null, capture: true, save_payment_method: false, order: null, three_ds: 'automatic', description: 'Order 7',
    statement_descriptor: null, return_url: 'https://shop.example/done', metadata: { cart: '7' }, locale: 'de', expires_at: 0, created: 0,
    updated: 0,
  });
  assert.deepEqual(assertOk(await florin.get(`/v1/checkouts/${c.id}`)), c);
});

test('the same key makes one', async () => {
  const key = newKey();
  const first = await create(checkout(), { idempotencyKey: key });
  assert.equal((await create(checkout(), { idempotencyKey: key })).text, first.text);
});

test('lists, page by page', async () => {
  const mine = [];
  for (let i = 0; i < 5; i++) mine.push((await made()).id);
  const found = (await all(florin, '/v1/checkouts', { limit: 2 })).map((c) => c.id);
  assert.deepEqual(found.slice(0, 5), mine.sort().reverse()); // two of one millisecond are in the order of their ids
  assertProblem(await florin.get('/v1/checkouts?status=open'), 400, 'parameter_unknown', { param: 'status' });
  assertProblem(await florin.get(`/v1/checkouts/chk_${'0'.repeat(26)}`), 404, 'not_found');
});

const refused = [
  ['no amount', { amount: undefined }, 'parameter_missing', 'amount'],
  ['no currency', { currency: undefined }, 'parameter_missing', 'currency'],
  ['a currency that is none', { currency: 'EURO' }, 'parameter_invalid', 'currency'],
  ['items that cost something else', { amount: 2501 }, 'parameter_invalid', 'items'],
  ['items that are none', { items: 'socks' }, 'parameter_invalid', 'items'],
  ['an item that is none', { items: ['socks'] }, 'parameter_invalid', 'items.0'],
  ['an item without a name', { items: [{ amount: 2500 }] }, 'parameter_missing', 'items.0.name'],
  ['an item without an amount', { items: [ITEMS[1], { name: 'a' }] }, 'parameter_missing', 'items.1.amount'],
  ['no piece of an item', { items: [{ name: 'a', amount: 2500, quantity: 0 }] }, 'parameter_invalid', 'items.0.quantity'],
  ['an unknown member of an item', { items: [{ name: 'a', amount: 2500, colour: 'red' }] }, 'parameter_unknown', 'items.0.colour'],
  ['too many items', { items: Array.from({ length: 101 }, () => ({ name: 'a', amount: 1 })), amount: 101 }, 'parameter_invalid', 'items'],
  ['too short a life', { expires_in: 299 }, 'parameter_invalid', 'expires_in'],
  ['too long a life', { expires_in: 2592001 }, 'parameter_invalid', 'expires_in'],
  ['a language that is not spoken', { locale: 'xx' }, 'parameter_invalid', 'locale'],
  ['a customer that is not there', { customer: `cus_${'0'.repeat(26)}` }, 'parameter_invalid', 'customer'],
  ['a return address that is none', { return_url: 'data:text/html,x' }, 'parameter_invalid', 'return_url'],
  ['an unknown member', { colour: 'red' }, 'parameter_unknown', 'colour'],
];
for (const [name, overrides, code, param] of refused)
  test(`refused: ${name}`, async () => { assertProblem(await create(checkout(overrides)), 400, code, { param }); });

test('the page may be shown in no frame and runs only what it names', async () => {
  const c = await made();
  const page = await request(c.url);
  assert.equal(page.status, 200, page.text);
  assert.match(page.headers['content-type'], /^text\/html/);
  const policy = page.headers['content-security-policy'];
  const nonce = policy.match(/'nonce-([^']+)'/)[1];
  for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "require-trusted-types-for 'script'",
    'report-uri /reports'])
    assert.ok(policy.includes(part), `${part} in ${policy}`);
  assert.equal(page.headers['referrer-policy'], 'no-referrer');
  assert.equal(page.headers['x-content-type-options'], 'nosniff');
  assert.equal(page.headers['x-frame-options'], 'DENY');
  assert.equal(page.headers['cache-control'], 'no-store');
  const again = (await request(c.url)).headers['content-security-policy'];
  assert.ok(!again.includes(nonce), 'every answer has a nonce of its own');
  const [, script, integrity] = page.text.match(/<script nonce="[^"]+" src="([^"]+)" integrity="([^"]+)"/);
  const file = await request(new URL(script, c.url).href);
  assert.equal(`sha384-${createHash('sha384').update(file.text).digest('base64')}`, integrity, 'the script is the one that the page names');
});

test('an address that was guessed shows nothing', async () => {
  const c = await made(), other = await made();
  const [, merchant, id, key] = c.url.match(/\/pay\/([^/]+)\/([^/]+)\/([^/]+)$/);
  const wrong = [[merchant, id, '0'.repeat(32)], [merchant, other.id, key], [String(+merchant + 1), id, key], [merchant, id, key.slice(1)],
    ['x', id, key], [merchant, 'chk_1', key]];
  for (const parts of wrong) {
    const url = `${florin.public}/pay/${parts.join('/')}`;
    assert.equal((await request(url)).status, 404);
    assertProblem(await state(url), 404, 'not_found');
    assertProblem(await token(url), 404, 'not_found');
  }
});

test('where there is no page, it says so in the browser\'s language, in a style and without a script', async () => {
  const url = `${(await made()).url.slice(0, -1)}x`;
  const texts = [[undefined, 'en', /Please ask the shop/], ['de-AT,de;q=0.9,en;q=0.8', 'de', /Händler/], ['xx, PT-br;q=0.5', 'pt', /à loja/], ['ru', 'ru', /ссылку/], ['es;q=0.9', 'es', /tienda/], ['zz', 'en', /shop/], ['deutsch', 'en', /shop/]];
  for (const [wish, lang, text] of texts) {
    const page = await request(url, { headers: wish ? { 'Accept-Language': wish } : {} });
    assert.equal(page.status, 404);
    assert.match(page.text, new RegExp(`<html lang="${lang}">`), wish);
    assert.match(page.text, text);
    const policy = page.headers['content-security-policy'];
    assert.ok(policy.startsWith(`default-src 'none'; style-src 'nonce-${page.text.match(/<style nonce="([^"]+)">/)[1]}'`), policy);
    assert.doesNotMatch(page.text, /<script|\{\{/);
  }
});

test('keys of addresses are not logged, whatever the level', async () => {
  const talkative = await start({ settings: { 'log-level': 'debug' } });
  try {
    const c = assertOk(await talkative.post('/v1/checkouts', checkout()));
    for (const path of ['', '/state']) assert.equal((await request(`${c.url}${path}`)).status, 200);
    const { client_token: text } = assertOk(await token(c.url));
    await request(`${talkative.public}/client/payment`, { headers: { Authorization: `Bearer ${text}` } });
    await waitFor(() => talkative.log().includes('/client/payment'));
    assert.ok(talkative.log().includes('/pay/{merchant}/{id}/{key}/state'));
    for (const secret of [c.url.split('/').at(-1), text.slice(-43)]) assert.ok(!talkative.log().includes(secret));
  } finally { await talkative.stop(); }
});

test('the state is what a customer may see', async () => {
  const c = await made({ description: 'Order 7', return_url: 'https://shop.example/done', metadata: { secret: 'x' } });
  const now = assertOk(await state(c.url));
  assert.deepEqual({ ...now, merchant: { name: typeof now.merchant.name } }, {
    id: c.id, object: 'checkout', mode: 'test', status: 'open', amount: 2500, currency: 'EUR', description: 'Order 7', items: c.items,
    return_url: 'https://shop.example/done', locale: null, expires_at: c.expires_at, merchant: { name: 'string' }, payment: null,
  });
});

test('the page gets tokens of its own, for its own origin, not without end', async () => {
  const c = await made();
  const t = assertOk(await token(c.url, { Origin: pageOrigin() }));
  assert.match(t.client_token, /^ct_test_/);
  assert.ok(Date.parse(t.expires_at) <= Date.now() + 901_000);
  assertProblem(await token(c.url, { Origin: 'https://shop.example' }), 403, 'permission_denied');
  assertProblem(await confirm(t.client_token), 409, 'state_conflict'); // no card yet
  const more = await times(25, () => token(c.url));
  const refusedNow = more.filter((answer) => answer.status === 429);
  assert.equal(refusedNow.length, 6, 'twenty an hour');
  assertProblem(refusedNow[0], 429, 'rate_limited');
  assert.ok(Number(refusedNow[0].headers['retry-after']) > 0);
  assertOk(await token((await made()).url));
});

test('an expired checkout takes no payment', async () => {
  const c = await made();
  assert.equal(assertOk(await florin.post(`/v1/checkouts/${c.id}/expire`)).status, 'expired');
  assert.equal(assertOk(await florin.post(`/v1/checkouts/${c.id}/expire`)).status, 'expired', 'twice is as once');
  assert.equal(assertOk(await state(c.url)).status, 'expired');
  assertProblem(await token(c.url), 409, 'state_conflict');
  assertProblem(await florin.post(`/v1/checkouts/chk_${'0'.repeat(26)}/expire`), 404, 'not_found');
});

test('another merchant sees none of it', async () => {
  const c = await made(), other = await otherMerchant(florin);
  assertProblem(await florin.get(`/v1/checkouts/${c.id}`, { key: other.key }), 404, 'not_found');
  assertProblem(await florin.post(`/v1/checkouts/${c.id}/expire`, {}, { key: other.key }), 404, 'not_found');
});

// --- reports ---

test('reports are kept without what may be a secret', async () => {
  const c = await made();
  const report = { 'csp-report': {
    'document-uri': `${c.url}?card=4242424242424242`, 'violated-directive': 'script-src-elem', 'blocked-uri': 'https://evil.example/x.js?s=1',
    'script-sample': 'document.cookie' } };
  const answer = await request(`${florin.public}/reports`, { method: 'POST', body: report, headers: { 'Content-Type': 'application/csp-report' } });
  assert.equal(answer.status, 204, answer.text);
  const line = await waitFor(() => florin.logLines().find((l) => l.event === 'page.report' || l.msg === 'page.report'));
  const text = JSON.stringify(line);
  assert.ok(text.includes('https://evil.example/x.js'), text);
  for (const secret of [c.url.split('/').at(-1), '4242', 'cookie', '?s=1']) assert.ok(!text.includes(secret), `${secret} in ${text}`);
  await request(`${florin.public}/reports`, { method: 'POST', body: report, headers: { 'Content-Type': 'application/csp-report' } });
  const kept = await waitFor(async () => {
    const listed = await run(['pages', 'reports', ...florin.place]);
    assert.equal(listed.code, 0, listed.stderr);
    return JSON.parse(listed.stdout).data.find((r) => r.report.directive === 'script-src-elem' && r.times === 2);
  });
  assert.deepEqual(kept.report, { page: 'checkout', type: 'csp-violation', document: `${florin.public}/pay/2/*/*`, directive: 'script-src-elem',
    blocked: 'https://evil.example/x.js' });
  assert.equal((await request(`${florin.public}/reports`, { method: 'POST', body: 'nonsense', headers: { 'Content-Type': 'text/plain' } })).status, 204);
  assertProblem(await request(`${florin.public}/reports`, { method: 'POST', body: 'x'.repeat(8193), headers: { 'Content-Type': 'application/reports+json' } }),
    413, 'body_too_large');
});

// --- with cards ---

test('a checkout is paid: the page, the merchant and the book agree', async () => {
  const c = await made({ return_url: 'https://shop.example/done' });
  const { client_token: text } = assertOk(await token(c.url));
  assert.equal((await giveCard(text)).status, 201);
  const view = assertOk(await confirm(text));
  assert.equal(view.status, 'captured');
  assert.equal(view.return_url, c.url, 'the browser comes back to the page');
  const now = assertOk(await florin.get(`/v1/checkouts/${c.id}`));
  assert.equal(now.status, 'complete');
  assert.equal(now.payment, view.id);
  const seen = assertOk(await state(c.url));
  assert.equal(seen.status, 'complete');
  assert.equal(seen.payment.id, view.id);
  assertProblem(await token(c.url), 409, 'state_conflict');
  assertProblem(await florin.post(`/v1/checkouts/${c.id}/expire`), 409, 'state_conflict');
  await assertCharged(florin, view.id, { captured: 2500 });
});

test('two visits at once pay once', async () => {
  const c = await made();
  const texts = await times(6, async () => assertOk(await token(c.url)).client_token);
  for (const text of texts) assert.equal((await giveCard(text)).status, 201);
  const answers = await Promise.all(texts.map((text) => confirm(text)));
  const paid = answers.filter((answer) => answer.status === 200);
  assert.equal(paid.length, 1);
  for (const answer of answers) if (answer.status !== 200) assertProblem(answer, 409, 'state_conflict');
});

test('after a decline the customer tries another card on the same page', async () => {
  const c = await made();
  const first = assertOk(await token(c.url)).client_token;
  assert.equal((await giveCard(first, { ...CARD, number: '4000000000000002' })).status, 201);
  assert.equal(assertOk(await confirm(first)).status, 'failed');
  assert.equal(assertOk(await state(c.url)).status, 'open');
  const second = assertOk(await token(c.url)).client_token;
  assert.equal((await giveCard(second)).status, 201);
  assert.equal(assertOk(await confirm(second)).status, 'captured');
  assert.equal(assertOk(await state(c.url)).status, 'complete');
});
