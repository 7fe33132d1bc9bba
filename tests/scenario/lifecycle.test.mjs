// Capture, cancel, refund: what may follow what, and that payment, book and ledger say the same.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  assertCharged, assertOk, assertProblem, balance, data, newKey, pay, read, readPayment, refund, start, verifyLedger,
} from './support.mjs';

let florin;
before(async () => { florin = await start(); });
after(async () => { await florin?.stop(); });

const post = (id, what, body = {}, options) => florin.post(`/v1/payments/${id}/${what}`, body, options);
const held = (overrides) => pay(florin, { capture: false, ...overrides });

test('authorize, then capture: the money is taken once and for all', async () => {
  const { id } = await held();
  const captured = assertOk(await post(id, 'capture'));
  assert.equal(captured.id, id);
  assert.equal(captured.status, 'captured');
  assert.equal(captured.amount_captured, 9232);
  assert.equal(captured.amount_capturable, 0);
  assert.deepEqual(await readPayment(florin, id), captured);
  await assertCharged(florin, id, { captured: 9232, status: 'captured' });
  assertProblem(await post(id, 'capture'), 409, 'state_conflict');
  assertProblem(await post(id, 'cancel'), 409, 'state_conflict');
});

test('the whole amount may be named, with final or without', async () => {
  for (const body of [{ amount: 9232 }, { amount: 9232, final: true }, { final: false }, { amount: null }]) {
    const { id } = await held();
    assert.equal(assertOk(await post(id, 'capture', body)).status, 'captured');
  }
});

test('more than what is held is refused and changes nothing', async () => {
  const { id } = await held();
  for (const amount of [9233, 999999999999]) assertProblem(await post(id, 'capture', { amount }), 400, 'parameter_invalid', { param: 'amount' });
  assert.equal((await readPayment(florin, id)).status, 'authorized');
  await assertCharged(florin, id, { captured: 0, status: 'authorized' });
});

test('authorize, then cancel: nothing is taken and nothing can be', async () => {
  const { id } = await held();
  const canceled = assertOk(await post(id, 'cancel', { reason: 'customer changed their mind' }));
  assert.equal(canceled.status, 'canceled');
  assert.equal(canceled.amount_captured, 0);
  assert.equal(canceled.amount_capturable, 0);
  await assertCharged(florin, id, { captured: 0, status: 'voided' });
  for (const what of ['capture', 'cancel', 'refund']) assertProblem(await post(id, what), 409, 'state_conflict');
  assert.match((await read(florin, `/v1/payments/${id}/explain`)).timeline.map((e) => e.detail).join(), /changed their mind/);
});

test('an authorization cannot be refunded, a captured payment cannot be canceled', async () => {
  const authorized = await held(), captured = await pay(florin);
  assert.match(assertProblem(await post(authorized.id, 'refund'), 409, 'state_conflict').detail, /authorized/);
  assert.match(assertProblem(await post(captured.id, 'cancel'), 409, 'state_conflict').detail, /captured/);
});

test('a full refund gives all back', async () => {
  const { id } = await pay(florin);
  const back = await refund(florin, id, { reason: 'returned goods', metadata: { ticket: 'T-1' } });
  assert.match(back.id, /^rfd_/);
  assert.equal(back.object, 'refund');
  assert.equal(back.payment, id);
  assert.equal(back.amount, 9232);
  assert.equal(back.currency, 'EUR');
  assert.equal(back.status, 'succeeded');
  assert.equal(back.reason, 'returned goods');
  assert.deepEqual(back.metadata, { ticket: 'T-1' });
  assert.equal(back.decline_code, null);
  assert.equal(typeof back.provider_reference, 'string');
  assert.deepEqual(await read(florin, `/v1/refunds/${back.id}`), back);
  const now = await readPayment(florin, id);
  assert.equal(now.status, 'refunded');
  assert.equal(now.amount_refunded, 9232);
  assert.equal(now.amount_captured, 9232);
  await assertCharged(florin, id, { captured: 9232, refunded: 9232 });
  assertProblem(await post(id, 'refund'), 409, 'state_conflict');
});

test('refunds in parts add up to the captured amount and never exceed it', async () => {
  const { id } = await pay(florin);
  const first = await refund(florin, id, { amount: 1000 });
  assert.equal(first.status, 'succeeded');
  let now = await readPayment(florin, id);
  assert.equal(now.status, 'captured');
  assert.equal(now.amount_refunded, 1000);
  await assertCharged(florin, id, { captured: 9232, refunded: 1000 });
  assertProblem(await post(id, 'refund', { amount: 8233 }), 400, 'parameter_invalid', { param: 'amount' });
  await refund(florin, id, { amount: 232 });
  const rest = await refund(florin, id);
  assert.equal(rest.amount, 8000);
  now = await readPayment(florin, id);
  assert.equal(now.status, 'refunded');
  await assertCharged(florin, id, { captured: 9232, refunded: 9232 });
  const list = await data(florin, `/v1/refunds?payment=${id}`);
  assert.deepEqual(list.map((r) => r.amount), [8000, 232, 1000]);
  assert.equal(list[2].id, first.id);
  assert.deepEqual((await data(florin, `/v1/refunds?payment=${id}&limit=2`)).length, 2);
});

test('each operation with a key is repeated without being done again', async () => {
  const { id } = await held();
  const key = newKey();
  const captured = await post(id, 'capture', {}, { idempotencyKey: key });
  const again = await post(id, 'capture', {}, { idempotencyKey: key });
  assert.equal(again.headers['idempotent-replayed'], 'true');
  assert.equal(again.text, captured.text);
  const back = await post(id, 'refund', { amount: 100 }, { idempotencyKey: key });
  assert.equal(assertOk(back).amount, 100, 'the same key on another path is another key');
  const backAgain = await post(id, 'refund', { amount: 100 }, { idempotencyKey: key });
  assert.equal(backAgain.text, back.text);
  await assertCharged(florin, id, { captured: 9232, refunded: 100 });
});

test('a conflict is not stored: the same key works once the state allows it', async () => {
  const { id } = await held();
  const key = newKey();
  assertProblem(await post(id, 'refund', { amount: 5 }, { idempotencyKey: key }), 409, 'state_conflict');
  assertOk(await post(id, 'capture'));
  assert.equal(assertOk(await post(id, 'refund', { amount: 5 }, { idempotencyKey: key })).status, 'succeeded');
});

test('the ledger follows every step and balances', async () => {
  const currency = 'CHF'; // of this test alone
  const receivable = () => balance(florin, 'provider_receivable', currency);
  const sums = async () => {
    const rows = (await data(florin, '/v1/balances')).filter((row) => row.currency === currency);
    for (const layer of ['pending', 'posted']) assert.equal(rows.reduce((s, row) => s + row[layer], 0), 0, `${layer} sums to zero`);
    for (const row of rows.filter((r) => r.account === 'provider_receivable')) assert.match(row.provider_account, /^pac_/);
  };
  const { id } = await held({ currency, amount: 1000 });
  assert.deepEqual(await receivable(), { pending: 1000, posted: 0 });
  await sums();
  assertOk(await post(id, 'capture'));
  assert.deepEqual(await receivable(), { pending: 0, posted: 1000 });
  await refund(florin, id, { amount: 300 });
  assert.deepEqual(await receivable(), { pending: 0, posted: 700 });
  const other = await held({ currency, amount: 50 });
  assert.deepEqual(await receivable(), { pending: 50, posted: 700 });
  assertOk(await post(other.id, 'cancel'));
  assert.deepEqual(await receivable(), { pending: 0, posted: 700 });
  await sums();
  const journals = await data(florin, `/v1/payments/${id}/journals`);
  assert.deepEqual(journals.map((j) => j.kind), ['refund', 'refund_intent', 'capture', 'authorization']);
  for (const journal of journals)
    for (const layer of ['pending', 'posted'])
      assert.equal(journal.postings.filter((p) => p.layer === layer).reduce((s, p) => s + p.amount, 0), 0);
  assert.deepEqual((await data(florin, `/v1/payments/${other.id}/journals`)).map((j) => j.kind), ['cancel', 'authorization']);
  const report = await verifyLedger(florin);
  assert.ok(report.journals >= 6 && report.events > 0);
});

test('the ledger verification of a finished book is repeatable and its head can be kept elsewhere', async () => {
  await pay(florin);
  const [a, b] = [await verifyLedger(florin), await verifyLedger(florin)];
  assert.equal(a.head, b.head);
  await pay(florin);
  assert.notEqual((await verifyLedger(florin)).head, a.head);
});
