// The customer's browser comes back from the bank: the payment goes on, and the browser is sent to the shop. What the browser
// does (twice, later, never) does not matter.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertCharged, assertOk, data, pay, readPayment, start, times, verifyLedger, waitFor } from './support.mjs';
import { request } from '../lib/florin.mjs';

const SHOP = 'https://shop.example/thanks?cart=7&note=a%20b';

let florin;
before(async () => { florin = await start({ settings: { 'sandbox-webhooks': false } }); });
after(async () => {
  if (florin) await verifyLedger(florin);
  await florin?.stop();
});

async function challenged(overrides = {}, from = florin) {
  const now = await pay(from, { payment_method_token: 'pm_tok_3ds_challenge', return_url: SHOP, ...overrides });
  assert.equal(now.status, 'requires_action');
  return now;
}

// Answers the bank's page; gives the address that the browser is sent to.
async function bank(payment, answer = 'approve') {
  const page = await request(`${payment.next_action.url}?answer=${answer}`, { method: 'POST' });
  assert.equal(page.status, 303, page.text);
  return page.headers.location;
}

const visit = (url, options) => request(url, options);

function assertSentTo(answer, id, status) {
  assert.equal(answer.status, 303, answer.text);
  assert.equal(answer.headers.location, `${SHOP}&payment=${id}&status=${status}`);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(answer.headers['referrer-policy'], 'no-referrer');
}

test('approved: completed on the way back, and again for who comes again', async () => {
  const now = await challenged(), back = await bank(now);
  assert.ok(back.startsWith(`${florin.public}/return/`), back);
  assertSentTo(await visit(back), now.id, 'captured');
  assert.equal((await readPayment(florin, now.id)).status, 'captured');
  assertSentTo(await visit(back), now.id, 'captured');
  assertSentTo(await visit(back, { method: 'POST', body: 'a=b', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }), now.id, 'captured');
  await assertCharged(florin, now.id, { captured: 9232 });
});

test('in a frame the page around it is told, and nobody is sent anywhere', async () => {
  const now = await challenged(), back = await bank(now);
  const page = await visit(back, { headers: { 'Sec-Fetch-Dest': 'iframe' } });
  assert.equal(page.status, 200, page.text);
  assert.match(page.text, /parent\.postMessage\(\{type:'florin:returned'\},'\*'\)/);
  assert.match(page.headers['content-security-policy'], /script-src 'sha256-/);
  await waitFor(async () => (await readPayment(florin, now.id)).status === 'captured');
});

test('a double click confirms once', async () => {
  const now = await challenged(), back = await bank(now);
  for (const answer of await times(6, () => visit(back))) {
    if (answer.status === 200) assert.equal(answer.headers.refresh, '1;url=?wait=1', 'it looks again by itself');
    else assertSentTo(answer, now.id, 'captured');
  }
  await waitFor(async () => (await readPayment(florin, now.id)).status === 'captured');
  await assertCharged(florin, now.id, { captured: 9232 });
  assert.equal((await data(florin, `/v1/payments/${now.id}/journals`)).length, 1);
});

test('who waits too long is sent to the shop with an open question', async () => {
  const faults = await request(`${florin.sandbox}/control/faults`, { method: 'POST', body: JSON.stringify({ next: 1, kind: 'delay', operation: 'confirm', ms: 3000 }), headers: { 'Content-Type': 'application/json' } });
  assert.equal(faults.status, 204, faults.text);
  const now = await challenged(), back = await bank(now);
  const first = visit(back);
  await waitFor(async () => (await readPayment(florin, now.id)).status === 'processing');
  for (const wait of ['', '?wait=1', '?wait=3']) assert.equal((await visit(back + wait)).status, 200, wait);
  for (const wait of ['?wait=4', '?wait=9']) assertSentTo(await visit(back + wait), now.id, 'processing');
  for (const odd of ['?wait=0', '?wait=99', '?wait=<script>', '?x=1']) assert.equal((await visit(back + odd)).headers.refresh, '1;url=?wait=1', odd);
  await first;
  await waitFor(async () => (await readPayment(florin, now.id)).status === 'captured');
});

test('failed at the bank', async () => {
  const now = await challenged();
  assertSentTo(await visit(await bank(now, 'fail')), now.id, 'failed');
  assert.equal((await readPayment(florin, now.id)).decline_code, 'authentication_failed');
});

test('canceled at the bank', async () => {
  const now = await challenged();
  assertSentTo(await visit(await bank(now, 'cancel')), now.id, 'failed');
  assert.equal((await readPayment(florin, now.id)).decline_code, 'authentication_canceled');
});

test('without a return_url a page says how it stands, and shows no more than it should', async () => {
  const now = await challenged({ return_url: undefined, description: '<b>Order & "1"</b>' });
  const page = await visit(await bank(now));
  assert.equal(page.status, 200, page.text);
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.match(page.headers['content-security-policy'], /^default-src 'none'; style-src 'sha256-[^']+'; /);
  assert.equal(page.headers['cache-control'], 'no-store');
  assert.equal(page.headers['referrer-policy'], 'no-referrer');
  assert.match(page.text, /The payment was made/);
  assert.match(page.text, /92\.32 EUR/);
  assert.ok(!page.text.includes('<b>'), 'what the shop wrote is shown as text');
  assert.match(page.text, /&#60;b&#62;Order &#38; &#34;1&#34;/);
});

test('only the address with the right key leads anywhere', async () => {
  const now = await challenged(), back = await bank(now);
  const [, merchant, id, key] = new URL(back).pathname.match(/^\/return\/([^/]+)\/([^/]+)\/([^/]+)$/);
  const other = await challenged();
  const wrong = [
    [merchant, id, key.replace(/.$/, (c) => (c === '0' ? '1' : '0'))], [merchant, id, key.slice(1)], [merchant, id, `${key}0`], [merchant, other.id, key],
    [String(Number(merchant) + 1), id, key], ['x', id, key], [merchant, 'pay_1', key], ['-1', id, key],
  ];
  for (const parts of wrong) {
    const answer = await visit(`${florin.public}/return/${parts.join('/')}`);
    assert.equal(answer.status, 404, parts.join('/'));
  }
  assert.equal((await readPayment(florin, now.id)).status, 'requires_action', 'nobody confirmed it');
  assertSentTo(await visit(back), now.id, 'captured');
});

test('where the shop confirms by itself, coming back changes nothing', async () => {
  const own = await start({ settings: { 'sandbox-webhooks': false, 'confirm-on-return': false } });
  try {
    const now = await challenged({}, own), back = await bank(now);
    assertSentTo(await visit(back), now.id, 'requires_action');
    assert.equal(assertOk(await own.post(`/v1/payments/${now.id}/confirm`)).status, 'captured');
    assertSentTo(await visit(back), now.id, 'captured');
  } finally {
    await own.stop();
  }
});

test('the browser never comes back: the provider’s webhook completes the sale', async () => {
  const loud = await start({ settings: { 'inquiry-delay-ms': 120000, 'inquiry-backoff-max-ms': 120000 } });
  try {
    const now = await challenged({}, loud);
    await bank(now);
    await waitFor(async () => (await readPayment(loud, now.id)).status === 'captured');
    await assertCharged(loud, now.id, { captured: 9232 });
    await verifyLedger(loud);
  } finally {
    await loud.stop();
  }
});
