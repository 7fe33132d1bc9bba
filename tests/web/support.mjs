// The world of the browser tests: the real card role with its pages (card_host), a stand-in for Florin's public zone and
// private API, a bank's page, and shops. What a card does is said by its number, as in docs/sandbox.md.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startBrowser } from '../lib/browser.mjs';
import { atExit } from '../lib/process.mjs';
import { waitFor } from '../lib/wait.mjs';
import { startShop } from '../../web/demo/shop.mjs';

export { accessibilityFindings, bankAsks, frameOf, inputOf, typeCard } from '../lib/browser.mjs';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const BUILD = process.env.FLORIN_BIN ? dirname(process.env.FLORIN_BIN) : join(ROOT, 'build');
export const CARDS = {
  approved: '4242424242424242', declined: '4000000000000002', insufficient: '4000000000009995', challenge: '4000002760003184',
  challengeDeclined: '4000008400001629', slow: '4000000000009037', amex: '378282246310005', mastercard: '5555555555554444',
};

export function listen(handler) {
  const server = createServer(handler);
  return new Promise((done, fail) => {
    server.once('error', fail).listen(0, '127.0.0.1', () => done({
      url: `http://127.0.0.1:${server.address().port}`,
      stop: () => new Promise((end) => { server.close(end); server.closeAllConnections(); }),
    }));
  });
}

export const bodyOf = async (request) => {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text;
};

// --- the payment of a token, as the public zone would show it ---
const firstStatus = (number) => ({
  [CARDS.declined]: ['failed', 'generic_decline'], [CARDS.insufficient]: ['failed', 'insufficient_funds'],
  [CARDS.challenge]: ['requires_action'], [CARDS.challengeDeclined]: ['requires_action'], [CARDS.slow]: ['processing'],
}[number] ?? ['captured']);

class Public {
  payments = new Map(); // by token
  checkouts = new Map(); // by path
  confirms = 0;
  broken = 0; // answers that are 503 before the next good one
  tokens = 0;
  minted = [];
  constructor(host) { this.host = host; }

  // The card role has its answer before what it printed of the card has come here.
  async begin(token, amount) {
    const number = await waitFor(() => this.host.numberOf(token)), [status, decline_code = null] = firstStatus(number);
    const id = `pay_${String(this.payments.size + 1).padStart(26, '0')}`;
    const payment = { id, status, amount: amount ?? 9232, currency: 'EUR', description: null, decline_code, next_action: null, return_url: null, number, looks: 0 };
    if (status === 'requires_action') payment.next_action = { type: 'three_ds_challenge', url: `${this.url}/bank/${id}`, expires_at: null };
    this.payments.set(token, payment);
    const checkout = this.minted.find((one) => one.token === token)?.checkout;
    if (checkout) checkout.payment = payment;
    return payment;
  }

  view({ number, looks, answered, ...payment }) { return structuredClone(payment); }

  // Of a checkout whose page has no token of the attempt.
  viewOf(payment) {
    this.settle(payment);
    return this.view(payment);
  }

  // What the bank was told.
  settle(payment) {
    if (!payment.answered || payment.status !== 'requires_action') return;
    payment.next_action = null;
    const lost = payment.answered === 'fail' ? 'authentication_failed' : payment.number === CARDS.challengeDeclined ? 'insufficient_funds' : null;
    Object.assign(payment, lost ? { status: 'failed', decline_code: lost } : { status: 'captured' });
  }

  async client(request, path, body) {
    const token = request.headers.authorization?.replace('Bearer ', '');
    if (this.broken > 0 && this.broken--) return { status: 503, body: { code: 'unavailable' } };
    let payment = this.payments.get(token);
    if (path === '/client/confirm') {
      this.confirms++;
      payment ??= await this.begin(token, this.minted.find((one) => one.token === token)?.amount ?? JSON.parse(body).amount);
      this.settle(payment);
    }
    if (!payment) return { status: 401, body: { code: 'unauthenticated', detail: 'no such token' } };
    if (payment.status === 'processing' && payment.looks++ > 1) payment.status = 'captured';
    return { body: this.view(payment) };
  }

  stateOf(checkout) {
    const payment = checkout.payment ? this.viewOf(checkout.payment) : null;
    const status = payment && ['captured', 'authorized'].includes(payment.status) ? 'complete' : checkout.status;
    const { merchant_name, embed, ...rest } = checkout;
    return { ...rest, object: 'checkout', status, merchant: { name: merchant_name }, payment };
  }

  mint(amount, checkout) {
    const token = `ct_test_2_${String(++this.tokens).padStart(43, '0')}`;
    this.minted.push({ token, amount, checkout });
    return { body: { client_token: token } };
  }

  async page(checkout) {
    const state = checkout.embed ? encodeURIComponent(JSON.stringify(this.stateOf(checkout))) : '';
    const answer = await fetch(`${this.host.pages}/pay?state=${state}`);
    return { raw: await answer.text(), status: answer.status, headers: Object.fromEntries(answer.headers) };
  }

  bank(id, request) {
    const payment = [...this.payments.values()].find((one) => one.id === id);
    if (request.method === 'POST') {
      payment.answered = new URL(request.url, this.url).searchParams.get('answer');
      return { status: 303, headers: { location: `${this.url}/return/${id}` }, raw: '' };
    }
    const buttons = ['approve', 'fail'].map((word) => `<form method="post" action="?answer=${word}"><button>${word}</button></form>`).join('');
    return { raw: `<!doctype html><html lang="en"><title>Bank</title><style>body{font:1rem/1.5 system-ui;padding:0 1rem}button{font:inherit;padding:.5rem 1rem;margin:.25rem 0}</style><main><h1>Your bank</h1>${buttons}</main></html>`, headers: { 'content-type': 'text/html' } };
  }

  // In a frame the page tells the one above; alone it leads back to the shop.
  back(request) {
    if (request.headers['sec-fetch-dest'] !== 'iframe') return { status: 303, headers: { location: this.returnUrl ?? '/' }, raw: '' };
    return { raw: '<!doctype html><title>Back</title><script>parent.postMessage({type:"florin:returned"},"*")</script>', headers: { 'content-type': 'text/html' } };
  }

  async answer(request) {
    const path = request.url.split('?')[0], body = request.method === 'POST' ? await bodyOf(request) : '';
    if (path.startsWith('/client/')) return this.client(request, path, body);
    if (path === '/v1/client_tokens') return this.mint(JSON.parse(body).amount);
    if (path.startsWith('/bank/')) return this.bank(path.slice(6), request);
    if (path.startsWith('/return/')) return this.back(request);
    const [, base, more] = path.match(/^(\/pay\/[^/]+\/[^/]+\/[^/]+)(?:\/(\w+))?$/) ?? [];
    const checkout = this.checkouts.get(base);
    if (checkout && more === 'state') return checkout.broken ? { status: 503, body: {} } : { body: this.stateOf(checkout) };
    if (checkout && more === 'token') return this.mint(checkout.amount, checkout);
    if (checkout && !more) return this.page(checkout);
    const file = await fetch(`${this.host.pages}${request.url}`);
    return { raw: await file.text(), status: file.status, headers: Object.fromEntries(file.headers) };
  }

  async handle(request, response) {
    const cors = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'authorization, content-type' };
    if (request.method === 'OPTIONS') return response.writeHead(204, cors).end();
    const { status = 200, body, raw, headers = {} } = await this.answer(request).catch((error) => ({ status: 500, raw: String(error.stack) }));
    for (const name of ['content-length', 'connection', 'keep-alive', 'date', 'content-encoding', 'transfer-encoding']) delete headers[name];
    return response.writeHead(status, { 'content-type': 'application/json', ...cors, ...headers }).end(raw ?? JSON.stringify(body));
  }

  addCheckout(checkout) {
    const path = `/pay/m/c${this.checkouts.size + 1}/key`;
    const made = {
      id: `chk_${String(this.checkouts.size + 1).padStart(26, '0')}`, status: 'open', amount: 9232, currency: 'EUR', description: 'Order 1042', mode: 'test',
      merchant_name: 'Fern & Kettle', locale: null, return_url: null, items: [{ name: 'Teapot, cast iron', quantity: 1, amount: 5800 }, { name: 'Fern in a pot', quantity: 2, amount: 1600 }, { name: 'Shipping', quantity: 1, amount: 232 }],
      ...checkout,
    };
    this.checkouts.set(path, made);
    return { url: `${this.url}${path}`, row: made };
  }
}

// --- the card role ---
async function startHost(publicUrl) {
  const child = spawn(join(BUILD, 'tests/card_host'), [publicUrl], { stdio: ['pipe', 'pipe', 'pipe'] });
  const host = { told: [], log: '', stop: () => new Promise((done) => { child.once('close', done); child.stdin.end(); }) };
  atExit(() => child.kill('SIGKILL'));
  child.stderr.on('data', (chunk) => { host.log += chunk; });
  createInterface({ input: child.stdout }).on('line', (line) => host.told.push(JSON.parse(line)));
  await waitFor(() => host.told.length > 0);
  Object.assign(host, host.told.shift());
  host.numberOf = (token) => {
    const at = host.told.findIndex((one) => one.token === token);
    return at < 0 ? undefined : host.told.slice(at).find((one) => one.number)?.number;
  };
  host.last = () => host.told.findLast((one) => one.number);
  return host;
}

export async function startWorld() {
  const pub = new Public();
  const server = await listen((request, response) => pub.handle(request, response));
  pub.url = server.url;
  const host = pub.host = await startHost(server.url);
  const browser = await startBrowser();
  const shops = [];
  return {
    host, pub, browser, card: host.card,
    async serve(handler) {
      const one = await listen(handler);
      shops.push(one);
      return one;
    },
    // A shop's page of the test's own: `html` in the body, `script` runs with Florin loaded.
    async shop({ html = '<div id="number"></div><div id="expiry"></div><div id="cvc"></div>', script = '', lang = 'en', head = '' } = {}) {
      const page = `<!doctype html><html lang="${lang}"><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,">${head}<script src="${host.card}/florin.js"></script><body><main><h1>Shop</h1>${html}</main>
<script>window.seen = []; ${script}</script></body></html>`;
      return this.serve((request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(page));
    },
    async demo() {
      const one = await startShop({ key: 'sk_test_x', api: pub.url, card: host.card });
      pub.returnUrl = `${one.url}/`;
      shops.push(one);
      return one;
    },
    async stop() {
      await browser.stop();
      for (const one of shops) await one.stop();
      await host.stop();
      await server.stop();
    },
  };
}

// Makes the three fields and keeps all that the page hears of them in window.seen.
export const MOUNT = (options = '{}', field = '{}') => `
  window.client = Florin({ clientToken: async () => window.token ?? 'ct_test_2_' + '7'.repeat(43), ...${options} });
  window.made = {};
  for (const kind of ['number', 'expiry', 'cvc']) {
    const f = window.made[kind] = client.fields.create(kind, ${field});
    for (const name of ['ready', 'change', 'focus', 'blur', 'submit']) f.on(name, (event) => seen.push({ kind, name, ...event }));
    f.mount('#' + kind);
  }
  window.addEventListener('message', (event) => (window.heard ??= []).push(JSON.stringify(event.data)));`;

export const lastChange = (page, kind) => page.evaluate((k) => seen.filter((one) => one.kind === k && one.name === 'change').at(-1), kind);
