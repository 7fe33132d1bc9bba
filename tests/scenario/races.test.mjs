// Money guards: whoever races whom, exactly one wins, sums never exceed, and the book, the payment and the ledger agree.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  assertCharged, assertOk, assertProblem, count, data, newKey, pay, payment, readPayment, start, times, verifyLedger,
} from './support.mjs';

let florin;
before(async () => { florin = await start(); });
after(async () => {
  if (florin) await verifyLedger(florin);
  await florin?.stop();
});

const LOOPS = 8;
const post = (id, what, body = {}) => florin.post(`/v1/payments/${id}/${what}`, body, { idempotencyKey: newKey() });
const won = (answers) => answers.filter((a) => a.status === 200);

// Losers are told why; nothing else is allowed.
function assertLost(answers) {
  for (const answer of answers)
    if (answer.status !== 200) {
      if (answer.status === 400) assertProblem(answer, 400, 'parameter_invalid', { param: 'amount' });
      else assertProblem(answer, 409, 'state_conflict');
    }
}

for (let loop = 1; loop <= LOOPS; loop++) {
  test(`64 captures at once: one wins (${loop})`, async () => {
    const { id } = await pay(florin, { capture: false });
    const answers = await times(64, () => post(id, 'capture'));
    assert.equal(won(answers).length, 1);
    assertLost(answers);
    await assertCharged(florin, id, { captured: 9232, status: 'captured' });
    assert.equal((await readPayment(florin, id)).amount_captured, 9232);
  });

  test(`32 captures against 32 cancels: one of 64 wins (${loop})`, async () => {
    const { id } = await pay(florin, { capture: false });
    const answers = await times(64, (i) => post(id, i % 2 ? 'capture' : 'cancel'));
    const winners = won(answers);
    assert.equal(winners.length, 1);
    assertLost(answers);
    const now = await readPayment(florin, id);
    assert.equal(now.status, winners[0].json.status);
    if (now.status === 'captured') await assertCharged(florin, id, { captured: 9232, status: 'captured' });
    else await assertCharged(florin, id, { captured: 0, status: 'voided' });
  });

  test(`64 full refunds at once: one wins (${loop})`, async () => {
    const { id } = await pay(florin);
    const answers = await times(64, () => post(id, 'refund'));
    assert.equal(won(answers).length, 1);
    assertLost(answers);
    await assertCharged(florin, id, { captured: 9232, refunded: 9232 });
    assert.equal((await readPayment(florin, id)).status, 'refunded');
    assert.equal((await data(florin, `/v1/refunds?payment=${id}`)).length, 1);
  });

  test(`64 refunds of a tenth: ten win (${loop})`, async () => {
    const { id } = await pay(florin, { amount: 1000 });
    const answers = await times(64, () => post(id, 'refund', { amount: 100 }));
    assert.equal(won(answers).length, 10);
    assertLost(answers);
    await assertCharged(florin, id, { captured: 1000, refunded: 1000 });
    const now = await readPayment(florin, id);
    assert.equal(now.status, 'refunded');
    assert.equal(now.amount_refunded, 1000);
  });

  test(`capture, cancel and refund all at once, 64 wide (${loop})`, async () => {
    const { id } = await pay(florin, { capture: false, amount: 1000 });
    const what = ['capture', 'cancel', 'refund', 'refund'];
    const answers = await times(64, (i) => post(id, what[i % 4], i % 4 === 3 ? { amount: 300 } : {}));
    assertLost(answers);
    const of = (name) => answers.filter((a, i) => a.status === 200 && what[i % 4] === name);
    assert.equal(of('capture').length + of('cancel').length, 1);
    const refunded = of('refund').reduce((sum, a) => sum + a.json.amount, 0);
    const now = await readPayment(florin, id);
    assert.ok(refunded <= now.amount_captured);
    assert.equal(now.amount_refunded, refunded);
    if (of('cancel').length) assert.equal(now.amount_captured, 0);
    await assertCharged(florin, id, { captured: of('capture').length ? 1000 : 0, refunded });
  });
}

test('many payments at once are each charged once', async () => {
  const answers = await times(128, (i) => florin.post('/v1/payments', payment({ amount: 1000 + i }), { idempotencyKey: newKey() }));
  assert.equal(count(answers, (a) => a.status === 200), 128);
  assert.equal(new Set(answers.map((a) => a.json.id)).size, 128);
  for (const answer of answers) await assertCharged(florin, assertOk(answer).id, { captured: answer.json.amount });
});

test('what became of a payment is told in events without gap, in order of versions', async () => {
  const { id } = await pay(florin, { capture: false });
  await times(16, (i) => post(id, i % 2 ? 'capture' : 'refund', i % 2 ? {} : { amount: 1 }));
  const events = await data(florin, `/v1/payments/${id}/events`);
  assert.deepEqual(events.map((e) => e.object_version), events.map((_, i) => events.length - i));
});
