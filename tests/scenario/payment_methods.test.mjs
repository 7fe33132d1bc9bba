// Payment methods that are cards of the vault: attached, dated, found by their fingerprint, forgotten; and what is refused.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  all, assertOk, assertProblem, data, newKey, otherMerchant, pay, payment, read, start, waitFor,
} from './support.mjs';

let florin, other;
before(async () => {
  florin = await start();
  other = await otherMerchant(florin);
});
after(async () => { await florin?.stop(); });

const ID = '0'.repeat(26);
const NONE = '01ABCDEFGH0000000000000000'; // well-formed, and nobody's
const ORIGIN = 'http://localhost:3000';
const customer = async () => assertOk(await florin.post('/v1/customers', {})).id;
const invalid = (answer, param, code = 'parameter_invalid') => assertProblem(answer, 400, code, { param });
const method = (id) => read(florin, `/v1/payment_methods/${id}`);
const viaMethod = (id, more = {}) => florin.post('/v1/payments', payment({ payment_method_token: undefined, payment_method: id, ...more }));
const saveToken = async (of, token = 'pm_tok_visa') =>
  assertOk(await florin.post('/v1/payment_methods', { payment_method_token: token, customer: of }));

// --- what needs no card ---

const wrong = [
  ['attach without a customer', `pm_${NONE}/attach`, {}, 'customer', 'parameter_missing'],
  ['attach to an order', `pm_${NONE}/attach`, { customer: `ord_${NONE}` }, 'customer'],
  ['attach to null', `pm_${NONE}/attach`, { customer: null }, 'customer'],
  ['attach with metadata', `pm_${NONE}/attach`, { customer: `cus_${NONE}`, metadata: {} }, 'metadata', 'parameter_unknown'],
  ['a month without a year', `pm_${NONE}`, { exp_month: 3 }, 'exp_year', 'parameter_missing'],
  ['a year without a month', `pm_${NONE}`, { exp_year: 2034 }, 'exp_month', 'parameter_missing'],
  ['a month 13', `pm_${NONE}`, { exp_month: 13, exp_year: 2034 }, 'exp_month'],
  ['a month in words', `pm_${NONE}`, { exp_month: 'March', exp_year: 2034 }, 'exp_month'],
  ['a year of two digits', `pm_${NONE}`, { exp_month: 3, exp_year: 34 }, 'exp_year'],
  ['a year that is null', `pm_${NONE}`, { exp_month: 3, exp_year: null }, 'exp_year'],
  ['nothing to change', `pm_${NONE}`, {}, 'metadata', 'parameter_missing'],
  ['a number to change', `pm_${NONE}`, { number: '4242424242424242' }, 'number', 'parameter_unknown'],
];
for (const [name, path, body, param, code] of wrong)
  test(`${name}: 400 ${param}`, async () => {
    invalid(await florin.post(`/v1/payment_methods/${path}`, body), param, code);
  });

test('the token of a card that is not ours is refused before anybody is asked', async () => {
  const id = await customer();
  const before = (await all(florin, '/v1/payments')).length;
  for (const nobodys of [ID, NONE]) {
    const token = `pm_tok_${nobodys}`;
    invalid(await florin.post('/v1/payments', payment({ payment_method_token: token })), 'payment_method_token');
    invalid(await florin.post('/v1/payments', payment({ payment_method_token: token, customer: id, save_payment_method: true })), 'payment_method_token');
    invalid(await florin.post('/v1/payments', payment({ payment_method_token: token, off_session: true })), 'payment_method_token');
    invalid(await florin.post('/v1/payment_methods', { payment_method_token: token, customer: id }), 'payment_method_token');
  }
  assert.equal((await all(florin, '/v1/payments')).length, before);
});

test('what is not there is 404', async () => {
  const id = await customer();
  assertProblem(await florin.post(`/v1/payment_methods/pm_${NONE}/attach`, { customer: id }), 404, 'not_found');
  assertProblem(await florin.post('/v1/payment_methods/pm_tok_visa/attach', { customer: id }), 404, 'not_found');
  assertProblem(await florin.post(`/v1/payment_methods/pm_${NONE}`, { exp_month: 3, exp_year: 2034 }), 404, 'not_found');
  const { id: mine } = await saveToken(id);
  assertProblem(await florin.post(`/v1/payment_methods/${mine}/attach`, { customer: id }, { key: other.key }), 404, 'not_found');
});

test('a saved token is attached: again to the same customer, to nobody else, and has no date', async () => {
  const id = await customer(), someone = await customer();
  const saved = await saveToken(id);
  assert.deepEqual(assertOk(await florin.post(`/v1/payment_methods/${saved.id}/attach`, { customer: id })), saved);
  assertProblem(await florin.post(`/v1/payment_methods/${saved.id}/attach`, { customer: someone }), 409, 'state_conflict');
  invalid(await florin.post(`/v1/payment_methods/${saved.id}/attach`, { customer: `cus_${NONE}` }), 'customer');
  invalid(await florin.post(`/v1/payment_methods/${saved.id}`, { exp_month: 3, exp_year: 2034 }), 'exp_month');
  invalid(await viaMethod(saved.id, { customer: id, save_payment_method: true }), 'save_payment_method');
  assertOk(await florin.post(`/v1/payment_methods/${saved.id}/detach`, {}));
  assertProblem(await florin.post(`/v1/payment_methods/${saved.id}/attach`, { customer: id }), 409, 'state_conflict');
});

test('attaching with a key is done once', async () => {
  const id = await customer(), saved = await saveToken(id), idempotencyKey = newKey();
  const path = `/v1/payment_methods/${saved.id}/attach`;
  const first = await florin.post(path, { customer: id }, { idempotencyKey });
  assertOk(await florin.post(`/v1/payment_methods/${saved.id}/detach`, {}));
  const again = await florin.post(path, { customer: id }, { idempotencyKey });
  assert.equal(again.text, first.text);
  assert.equal(again.headers['idempotent-replayed'], 'true');
  assert.equal((await method(saved.id)).status, 'detached');
});

test('lists: unattached ones, and those of a fingerprint', async () => {
  const saved = await saveToken(await customer());
  assert.ok((await all(florin, '/v1/payment_methods?status=attached')).some((m) => m.id === saved.id));
  assert.ok(!(await all(florin, '/v1/payment_methods?status=unattached')).some((m) => m.id === saved.id));
  assert.deepEqual(await data(florin, `/v1/payment_methods?fingerprint=fp_${NONE}`), []);
  assert.deepEqual(await data(florin, `/v1/payment_methods?fingerprint=fp_${NONE}&customer=cus_${NONE}&status=detached`), []);
  for (const bad of ['4242424242424242', `pm_${NONE}`, 'fp_', `fp_${NONE}0`, ''])
    invalid(await florin.get(`/v1/payment_methods?fingerprint=${bad}`), 'fingerprint');
  invalid(await florin.get('/v1/payment_methods?status=typed'), 'status');
});

test('a table of banks that is wrong keeps Florin from starting, and names the line', async () => {
  const { mkdtempSync, rmSync, writeFileSync } = await import('node:fs');
  const { tmpdir } = await import('node:os');
  const { join } = await import('node:path');
  const folder = mkdtempSync(join(tmpdir(), 'florin-bins-'));
  const file = join(folder, 'bins.csv');
  try {
    writeFileSync(file, 'bin,brand,funding,issuer,country\n424242,visa,credit,Bank,DE\n42x242,visa,credit,Bank,DE\n');
    await assert.rejects(start({ settings: { 'bin-table': file } }), /bins\.csv: line 3 has a bin that is not 6 to 8 digits/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

// --- with a card in the vault ---

async function typeCard({ number = '4242424242424242', of, ...more } = {}) {
  const token = assertOk(await florin.post('/v1/client_tokens', {
    purpose: 'payment_method', origin: ORIGIN, ...(of ? { customer: of } : {}), ...more }));
  const answer = await fetch(`${florin.card}/v1/cards`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token.client_token}`, 'content-type': 'application/json', origin: ORIGIN },
    body: JSON.stringify({ number, exp_month: 12, exp_year: 2040, cvc: '123', page_origin: ORIGIN }),
  });
  const text = await answer.text();
  assert.equal(answer.status, 201, text);
  assert.ok(!text.includes(number));
  return JSON.parse(text);
}

// Until the vault was told: what it forgot cannot be paid with, whoever asks.
const jobs = async () => {
  const text = (await florin.get('/metrics', { key: null })).text;
  return Number(/florin_card_jobs_total\{result="done"\} (\d+)/.exec(text)?.[1] ?? 0);
};

test('a typed card is unattached, known by its bank, and pays while its customer is there', async () => {
  const typed = await typeCard();
  assert.equal(typed.status, 'unattached');
  const shown = await method(typed.id);
  assert.equal(shown.status, 'unattached');
  assert.equal(shown.customer, null);
  assert.equal(shown.version, 0);
  assert.equal(shown.payment_method_token, `pm_tok_${typed.id.slice(3)}`);
  const { fingerprint, ...card } = shown.card;
  assert.match(fingerprint, /^fp_[0-9A-Z]{26}$/);
  assert.deepEqual(card, { brand: 'visa', last_four: '4242', bin: '42424242', exp_month: 12, exp_year: 2040, funding: 'credit',
    issuer: 'Florin Sandbox Bank', country: 'US' });
  invalid(await viaMethod(typed.id, { off_session: true }), 'payment_method');
  const paid = await pay(florin, { payment_method_token: undefined, payment_method: typed.id });
  assert.equal(paid.status, 'captured');
  assert.equal(paid.payment_method, typed.id);
  assert.equal(paid.customer, null);
  const again = await pay(florin, { payment_method_token: shown.payment_method_token });
  assert.equal(again.payment_method, typed.id);
  assert.equal((await method(typed.id)).status, 'unattached');
});

test('the same number has one fingerprint at a merchant', async () => {
  const one = await typeCard(), two = await typeCard(), three = await typeCard({ number: '5555555555554444' });
  const print = (await method(one.id)).card.fingerprint;
  const found = (await all(florin, `/v1/payment_methods?fingerprint=${print}`)).map((m) => m.id);
  assert.ok(found.includes(one.id) && found.includes(two.id) && !found.includes(three.id));
  assert.deepEqual(await data(florin, `/v1/payment_methods?fingerprint=${print}`, { key: other.key }), []);
});

test('a card is attached, gets a new date, and is forgotten when it is detached', async () => {
  const id = await customer(), someone = await customer(), typed = await typeCard();
  const before = await jobs();
  const attached = assertOk(await florin.post(`/v1/payment_methods/${typed.id}/attach`, { customer: id }));
  assert.equal(attached.status, 'attached');
  assert.equal(attached.version, 1);
  assert.deepEqual(assertOk(await florin.post(`/v1/payment_methods/${typed.id}/attach`, { customer: id })), attached);
  assertProblem(await florin.post(`/v1/payment_methods/${typed.id}/attach`, { customer: someone }), 409, 'state_conflict');
  const dated = assertOk(await florin.post(`/v1/payment_methods/${typed.id}`, { exp_month: 3, exp_year: 2041, metadata: { nick: 'blue' } }));
  assert.deepEqual([dated.card.exp_month, dated.card.exp_year, dated.metadata], [3, 2041, { nick: 'blue' }]);
  invalid(await florin.post(`/v1/payment_methods/${typed.id}`, { exp_month: 1, exp_year: 2020 }), 'exp_year');
  await waitFor(async () => (await jobs()) >= before + 2);
  const later = assertOk(await viaMethod(typed.id, { off_session: true }));
  assert.equal(later.status, 'captured');
  assert.equal(later.customer, id);
  const off = assertOk(await florin.post(`/v1/payment_methods/${typed.id}/detach`, {}));
  assert.equal(off.status, 'detached');
  await waitFor(async () => (await jobs()) >= before + 3);
  invalid(await viaMethod(typed.id), 'payment_method');
  const events = (await all(florin, '/v1/events')).filter((e) => e.data.id === typed.id).reverse();
  assert.deepEqual(events.map((e) => [e.type, e.object_version]), [['payment_method.attached', 1], ['payment_method.detached', 2]]);
});

test('a payment attaches the card that it is to save, when it is approved', async () => {
  const id = await customer();
  const bad = await typeCard({ number: '4000000000000002' });
  assertProblem(await viaMethod(bad.id, { customer: id, save_payment_method: true }), 402, 'payment_declined');
  assert.equal((await method(bad.id)).status, 'unattached');
  const good = await typeCard();
  const paid = assertOk(await viaMethod(good.id, { customer: id, save_payment_method: true }));
  assert.equal(paid.payment_method, good.id);
  const kept = await method(good.id);
  assert.deepEqual([kept.status, kept.customer], ['attached', id]);
  assert.deepEqual((await data(florin, `/v1/payment_methods?customer=${id}`)).map((m) => m.id), [good.id]);
  assertOk(await viaMethod(good.id, { off_session: true }));
});

test('a deleted customer’s cards are forgotten', async () => {
  const id = await customer(), before = await jobs();
  const typed = await typeCard({ of: id });
  assert.equal(typed.status, 'attached');
  await waitFor(async () => (await jobs()) >= before + 1);
  assertOk(await florin.post(`/v1/customers/${id}/delete`, {}));
  assert.equal((await method(typed.id)).status, 'detached');
  await waitFor(async () => (await jobs()) >= before + 2);
  invalid(await florin.post('/v1/payments', payment({ payment_method_token: `pm_tok_${typed.id.slice(3)}` })), 'payment_method_token');
});
