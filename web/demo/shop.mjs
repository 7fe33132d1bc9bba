// A demo shop: a page with a cart, and the one thing that its server does: mint client tokens with the secret key. It sees no
// card. Usage: FLORIN_KEY=sk_test_… [FLORIN_API=http://127.0.0.1:8400] [FLORIN_CARD=http://127.0.0.1:8403] [PORT=8480] node shop.mjs
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const CART = [['Teapot, cast iron', 1, 5800], ['Fern in a pot', 2, 1600], ['Shipping', 1, 232]];
const TOTAL = CART.reduce((sum, [, quantity, each]) => sum + quantity * each, 0);
const file = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const money = (minor) => new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' }).format(minor / 100);

// What a merchant's page needs for the fields; `*` are the pages of banks.
const policy = (nonce, card, pub) => [
  "default-src 'none'", `script-src 'nonce-${nonce}' 'strict-dynamic'`, "style-src 'self'", "img-src data:",
  `connect-src 'self' ${card} ${pub}`, `frame-src ${card} https:${/^http:/.test(card) ? ' http:' : ''}`,
  "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
].join('; ');

async function page(shop, url) {
  const config = await (await fetch(`${shop.card}/config.json`)).json();
  const nonce = randomBytes(18).toString('base64');
  const values = {
    nonce, card: shop.card, script: config.script, integrity: config.integrity, total: money(TOTAL),
    locale: new URL(url, shop.url).searchParams.get('locale') ?? 'en',
    cart: CART.map(([name, quantity, each]) => `<li><span>${escape(name)}${quantity > 1 ? ` × ${quantity}` : ''}</span> <span>${money(quantity * each)}</span></li>`).join(''),
  };
  const html = file('shop.html').replace(/\{\{(\w+)\}\}/g, (_, name) => (name === 'cart' ? values.cart : escape(values[name])));
  return { type: 'text/html; charset=utf-8', body: html, headers: { 'content-security-policy': policy(nonce, shop.card, new URL(config.public_url).origin), 'referrer-policy': 'no-referrer' } };
}

// The amount is the server's: what the browser says about it does not count.
async function token(shop) {
  const answer = await fetch(`${shop.api}/v1/client_tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${shop.key}`, 'content-type': 'application/json', 'idempotency-key': randomBytes(16).toString('hex') },
    body: JSON.stringify({ purpose: 'payment', origin: shop.url, amount: TOTAL, currency: 'EUR', description: 'Fern & Kettle', return_url: `${shop.url}/`, ...shop.more }),
  });
  const body = await answer.json();
  if (!answer.ok) console.error(`POST /v1/client_tokens: ${answer.status} ${body.detail ?? ''}`);
  return { status: answer.ok ? 200 : 502, type: 'application/json', body: JSON.stringify({ client_token: body.client_token }) };
}

async function answer(shop, request) {
  const path = request.url.split('?')[0];
  if (request.method === 'POST' && path === '/shop/token') return token(shop);
  if (path === '/' || path === '/shop') return page(shop, request.url);
  if (path === '/shop.css') return { type: 'text/css; charset=utf-8', body: file('shop.css') };
  if (path === '/shop.js') return { type: 'text/javascript; charset=utf-8', body: file('shop.js') };
  return { status: 404, type: 'text/plain', body: 'not found' };
}

// more: further members of the client tokens, such as a customer or an order.
export async function startShop({ key, api, card, port = 0, more = {} }) {
  const shop = { key, api, card, more };
  const server = createServer((request, response) => {
    answer(shop, request).catch((error) => ({ status: 500, type: 'text/plain', body: String(error) })).then(({ status = 200, type, body, headers = {} }) => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers });
      response.end(body);
    });
  });
  await new Promise((done, fail) => server.once('error', fail).listen(port, '127.0.0.1', done));
  shop.url = `http://127.0.0.1:${server.address().port}`;
  return { url: shop.url, server, stop: () => new Promise((done) => { server.close(done); server.closeAllConnections(); }) };
}

if (process.argv[1] && import.meta.url === new URL(process.argv[1], 'file:///').href) {
  const { FLORIN_KEY, FLORIN_API = 'http://127.0.0.1:8400', FLORIN_CARD = 'http://127.0.0.1:8403', PORT = '8480' } = process.env;
  if (!FLORIN_KEY) {
    console.error('FLORIN_KEY is missing: the secret key of a merchant in test mode, sk_test_…');
    process.exit(2);
  }
  const shop = await startShop({ key: FLORIN_KEY, api: FLORIN_API, card: FLORIN_CARD, port: Number(PORT) });
  console.log(`shop: ${shop.url}/`);
}
