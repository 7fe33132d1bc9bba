// What the scenario tests share: a Florin with short waits, and sentences about payments, problems, the book and the ledger.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { FLORIN, SLOW, asArgs, startFlorin, startReceiver, waitFor } from '../lib/florin.mjs';
import { runProcess } from '../lib/process.mjs';

export { SLOW, startReceiver, waitFor };

export const VERSION = '2026-11-24';

// Every wait of the product that a test would have to sit through, shortened; what must not be cut short grows with slow builds.
export const FAST = {
  'provider-timeout-ms': 700 * SLOW,
  'sandbox-slow-ms': 400,
  'sandbox-hang-ms': 3000 * SLOW,
  'inquiry-delay-ms': 60,
  'inquiry-backoff-max-ms': 250,
  'janitor-interval-ms': 30,
  'webhook-schedule': '0,1,1,1',
  'webhook-timeout-ms': 1000 * SLOW,
};

export async function start({ settings = {}, args = [], ...rest } = {}) {
  return startFlorin({ args: [...asArgs({ ...FAST, ...settings }), ...args], ...rest });
}
// --- sentences about answers ---

export const payment = (overrides = {}) => ({
  amount: 9232,
  currency: 'EUR',
  payment_method_token: 'pm_tok_visa',
  ...overrides,
});

const shown = (answer) => `${answer.status} ${String(answer.text).slice(0, 600)}`;

export function assertOk(answer) {
  assert.equal(answer.status, 200, shown(answer));
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.match(answer.headers['request-id'], /^req_[0-9A-HJKMNP-TV-Z]{26}$/i);
  return answer.json;
}

export function assertProblem(answer, status, code, { param, decline } = {}) {
  assert.equal(answer.status, status, shown(answer));
  assert.equal(answer.headers['content-type'], 'application/problem+json', shown(answer));
  const problem = answer.json;
  assert.equal(problem.status, status);
  assert.equal(problem.code, code, shown(answer));
  assert.equal(problem.type, `urn:florin:error:${code}`);
  assert.ok(problem.title.length > 5, shown(answer));
  assert.ok(problem.detail.length > 5, shown(answer));
  assert.match(problem.request_id, /^req_/);
  assert.equal(problem.request_id, answer.headers['request-id'], 'the header and the document name one request');
  if (param !== undefined) assert.equal(problem.param, param, shown(answer));
  if (decline !== undefined) assert.equal(problem.decline_code, decline, shown(answer));
  return problem;
}

export async function pay(florin, overrides, options) {
  return assertOk(await florin.post('/v1/payments', payment(overrides), options));
}

export async function refund(florin, id, body = {}, options) {
  return assertOk(await florin.post(`/v1/payments/${id}/refund`, body, options));
}

export const read = async (florin, path, options) => assertOk(await florin.get(path, options));
export const readPayment = (florin, id) => read(florin, `/v1/payments/${id}`);
export const data = async (florin, path, options) => (await read(florin, path, options)).data;

// Walks a list page by page.
export async function all(florin, path, { limit = 100, key } = {}) {
  const items = [];
  for (let cursor = ''; ;) {
    const page = await read(florin, `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${cursor}`, { key });
    assert.equal(page.object, 'list');
    items.push(...page.data);
    if (!page.has_more) return items;
    assert.ok(page.data.length > 0, 'a page that has more is not empty');
    cursor = `&starting_after=${page.data.at(-1).id}`;
  }
}

// Waits until Florin knows what became of a payment.
export const settled = (florin, id, timeout = 15000) =>
  waitFor(async () => {
    const now = await readPayment(florin, id);
    return now.status !== 'processing' && now;
  }, { timeout });

export const settledRefund = (florin, id, timeout = 15000) =>
  waitFor(async () => {
    const now = await read(florin, `/v1/refunds/${id}`);
    return now.status !== 'pending' && now;
  }, { timeout });

// --- the provider's book: the judge of what was really charged ---

export async function wholeBook(florin) {
  const charges = [];
  for (let after = ''; ;) {
    const page = await florin.book(`limit=500${after}`);
    charges.push(...page.charges);
    if (!page.has_more) return charges;
    after = `&after=${page.charges.at(-1).reference}`;
  }
}

export async function bookOf(florin, id) {
  const attempts = await data(florin, `/v1/payments/${id}/attempts`);
  const found = [];
  for (const attempt of attempts) found.push(...(await florin.book(`reference=${attempt.id}`)).charges);
  return found.filter((charge) => charge.status !== 'refused');
}

// Exactly one charge, with these sums.
export async function assertCharged(florin, id, { captured, refunded = 0, status }) {
  const charges = await bookOf(florin, id);
  assert.equal(charges.length, 1, `one charge in the book: ${JSON.stringify(charges)}`);
  assert.equal(charges[0].captured, captured, JSON.stringify(charges));
  assert.equal(charges[0].refunded, refunded, JSON.stringify(charges));
  if (status) assert.equal(charges[0].status, status);
  return charges[0];
}

export async function assertNotCharged(florin, id) {
  for (const charge of await bookOf(florin, id)) assert.equal(charge.captured, 0, JSON.stringify(charge));
}

// --- the ledger ---

export const run = (args, options) => runProcess(FLORIN, args, options);

export async function verifyLedger(florin) {
  const result = await run(['ledger', 'verify', ...florin.place, '--json']);
  assert.equal(result.code, 0, `ledger verify: ${result.stdout}${result.stderr}`);
  const report = JSON.parse(result.stdout);
  assert.equal(report.faults, 0);
  assert.match(report.head, /^[0-9a-f]{64}$/);
  return report;
}

export async function createKey(florin, ...args) {
  const result = await run(['keys', 'create', ...florin.place, '--json', ...args]);
  assert.equal(result.code, 0, result.stderr);
  return JSON.parse(result.stdout);
}

// A second merchant that can pay at the sandbox too.
export async function otherMerchant(florin) {
  const created = await createKey(florin, '--new-merchant', 'Other');
  assertOk(await florin.post('/v1/provider_accounts', {
    connector: 'sandbox',
    credentials: { base_url: florin.sandbox, api_key: 'sandbox' },
  }, { key: created.key }));
  return created;
}

export async function balance(florin, account, currency = 'EUR') {
  const rows = (await data(florin, '/v1/balances')).filter((row) => row.account === account && row.currency === currency);
  return rows.reduce((sum, row) => ({ pending: sum.pending + row.pending, posted: sum.posted + row.posted }),
    { pending: 0, posted: 0 });
}

// --- small things ---

export const newKey = () => randomUUID();
export const times = (n, make) => Promise.all(Array.from({ length: n }, (_, i) => make(i)));
export const count = (list, test) => list.filter(test).length;
