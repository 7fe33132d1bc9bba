// What the browser scenarios share: a Florin that logs all it can, a Chromium, the demo shop, a webhook endpoint; and a record of all
// that the shop, its page and Florin's answers had in them, in which no card number may be found.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bankOf, inputOf, startBrowser, typeCard as type } from '../lib/browser.mjs';
import { findNumbers } from '../lib/cards.mjs';
import { endAll } from '../lib/process.mjs';
import { startShop } from '../../web/demo/shop.mjs';
import { assertCharged, assertNotCharged, assertOk, readPayment, SLOW, start, startReceiver, verifyLedger, waitFor } from './support.mjs';

export const CARDS = {
  approved: '4242424242424242', mastercard: '5555555555554444', insufficient: '4000000000009995', challenge: '4000002760003184', challengeDeclined: '4000008400001629',
};

// All that goes through a server's sockets, as bytes.
function tap(server, into) {
  server.on('connection', (socket) => {
    socket.on('data', (chunk) => into.push(chunk));
    const { write } = socket;
    socket.write = function kept(chunk, ...rest) {
      into.push(Buffer.from(chunk));
      return write.call(this, chunk, ...rest);
    };
  });
}

// Every message that any script of the page could hear, in the page itself and in each of its frames.
const LISTEN = () => {
  window.heardAll = [];
  window.addEventListener('message', (event) => { try { window.heardAll.push(JSON.stringify(event.data)); } catch { /* no JSON */ } });
};

async function newPage(world, options) {
  const page = await world.browser.page(options);
  const pending = [];
  page.setDefaultTimeout(15000 * SLOW);
  page.seen = []; // texts: what the page's own origin, Florin's public zone and the console had
  await page.addInitScript(LISTEN);
  page.on('console', (message) => page.seen.push(message.text()));
  page.on('request', (request) => { if (!world.cards.has(new URL(request.url()).origin)) page.seen.push(request.url(), request.postData() ?? '', JSON.stringify(request.headers())); });
  // Once it is there: the body of one that was broken off never comes, as when a frame is taken away. Redirects have none.
  page.on('requestfinished', (request) => {
    if (['script', 'stylesheet'].includes(request.resourceType())) return;
    pending.push(request.response().then((response) => response.body()).then((body) => page.seen.push(body.toString('latin1')), () => undefined));
  });
  page.whole = async () => {
    let timer;
    const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error('a body of an answer does not come')), 20000 * SLOW); });
    try { await Promise.race([Promise.all(pending), late]); } finally { clearTimeout(timer); }
    return page.seen;
  };
  world.pages.push(page);
  return page;
}

// What the shop's own page holds now: its document, what it heard, what it stored.
const held = (page) => page.evaluate(() => JSON.stringify([document.documentElement.outerHTML, window.heardAll, { ...localStorage }, { ...sessionStorage }, document.cookie,
  [...document.querySelectorAll('input')].map((input) => input.value), location.href]));

export async function startBrowserWorld({ settings = {} } = {}) {
  const world = { typed: new Set(), cards: new Set(), pages: [], bytes: [], shops: [] };
  const [florin, browser, receiver] = await Promise.all([start({ settings: { 'log-level': 'debug', ...settings } }), startBrowser(), startReceiver()]);
  Object.assign(world, { florin, browser, receiver });
  world.cards.add(florin.card); // numbers may go there
  assertOk(await florin.post('/v1/webhook_endpoints', { url: receiver.url }));

  world.page = (options) => newPage(world, options);
  world.shop = async (more) => {
    const shop = await startShop({ more, key: florin.secret_key, api: florin.api, card: florin.card });
    tap(shop.server, world.bytes);
    world.shops.push(shop);
    return shop;
  };
  world.typeCard = async (page, number, more) => {
    world.typed.add(number);
    await inputOf(page, 'cvc').waitFor();
    for (const kind of ['number', 'expiry', 'cvc']) await inputOf(page, kind).fill(''); // of the card before
    await type(page, number, more);
  };
  world.noNumber = (what, where) => assert.deepEqual(findNumbers(Buffer.from(what, 'utf8'), world.typed), [], where);
  // The page that has the fields, as it stands and as it was heard to speak.
  world.assertClean = async (page) => {
    world.noNumber(await held(page), 'in the page');
    world.noNumber((await page.whole()).join('\n'), 'in requests, answers or the console');
    assert.deepEqual(page.complaints, []);
  };
  world.paymentOf = async (page) => readPayment(florin, (await page.locator('body').innerText()).match(/pay_\w{26}/)[0]);
  world.assertPaid = async (payment, captured) => {
    await assertCharged(florin, payment.id, { captured, status: 'captured' });
    await receiver.wait((one) => one.json?.type === 'payment.captured' && one.json.data.id === payment.id);
  };
  world.assertUnpaid = async (payment, decline) => {
    assert.deepEqual([payment.status, payment.decline_code, payment.amount_captured], ['failed', decline, 0]);
    await assertNotCharged(florin, payment.id);
    await receiver.wait((one) => one.json?.type === 'payment.failed' && one.json.data.id === payment.id);
  };
  // After each test: what the pages saw stays, the pages do not.
  world.closePages = async () => {
    for (const page of world.pages) {
      await page.whole();
      await page.context().close();
    }
  };
  world.stop = () => endAll(
    () => browser.stop(),
    async () => {
      assert.ok(world.typed.size > 0);
      const shops = Buffer.concat(world.bytes);
      if (world.pages.some((page) => world.shops.some((shop) => page.seen.includes(`${shop.url}/`)))) assert.ok(shops.includes('GET /'), 'the record is one');
      world.noNumber(shops, 'in what the shop\'s server got and sent');
      world.noNumber(receiver.requests.map((one) => JSON.stringify([one.path, one.headers, one.body])).join('\n'), 'in webhooks');
      for (const path of ['/v1/events?limit=100', '/v1/payments?limit=100', '/metrics']) world.noNumber((await florin.get(path)).text, path);
      for (const page of world.pages) world.noNumber((await page.whole()).join('\n'), 'in what a page saw');
    },
    () => verifyLedger(florin),
    () => florin.stop(),
    () => {
      world.noNumber(florin.log().replace(/^A page to pay on, with the card [0-9 ]+:/m, ''), 'in the log'); // florin up's greeting names the test card
      for (const name of readdirSync(florin.dataDir)) if (/\.(db|db-wal)$/.test(name)) world.noNumber(readFileSync(join(florin.dataDir, name)), name);
    },
    ...world.shops.map((shop) => () => shop.stop()),
    () => receiver.close(),
  );
  return world;
}

// The bank's page, as the sandbox shows it.
export const answer = (page, name) => bankOf(page).getByRole('button', { name, exact: true }).click();
export { inputOf, waitFor };
