// A declined payment: HTTP 402, the payment inside, one attempt, no charge, and the same bytes on repeat.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  assertNotCharged, assertProblem, data, newKey, payment, readPayment, start, verifyLedger,
} from './support.mjs';

let florin;
before(async () => { florin = await start(); });
after(async () => { await florin?.stop(); });

const create = (token, options) => florin.post('/v1/payments', payment({ payment_method_token: token }), options);

const RETRY = {
  insufficient_funds: 'later',
  do_not_honor: 'other_provider',
  stolen_card: 'never',
  invalid_account: 'never',
};

for (const [token, decline] of [
  ['pm_tok_declined_insufficient_funds', 'insufficient_funds'],
  ['pm_tok_declined_do_not_honor', 'do_not_honor'],
  ['pm_tok_declined_stolen_card', 'stolen_card'],
  ['pm_tok_of_nobody', 'invalid_account'],
])
  test(`${token} is declined with ${decline}`, async () => {
    for (const capture of [true, false]) {
      const answer = await florin.post('/v1/payments', payment({ payment_method_token: token, capture, metadata: { n: '1' } }));
      const problem = assertProblem(answer, 402, 'payment_declined', { decline });
      const failed = problem.payment;
      assert.equal(failed.object, 'payment');
      assert.equal(failed.status, 'failed');
      assert.equal(failed.decline_code, decline);
      assert.equal(failed.amount, 9232);
      assert.equal(failed.amount_authorized, 0);
      assert.equal(failed.amount_captured, 0);
      assert.deepEqual(failed.metadata, { n: '1' });
      assert.deepEqual(await readPayment(florin, failed.id), failed);
      const attempts = await data(florin, `/v1/payments/${failed.id}/attempts`);
      assert.equal(attempts.length, 1);
      assert.equal(attempts[0].status, 'declined');
      assert.equal(attempts[0].decline_code, decline);
      assert.equal(attempts[0].retry, RETRY[decline]);
      assert.ok(attempts[0].provider_code, 'the provider’s own code is kept');
      await assertNotCharged(florin, failed.id);
      assert.deepEqual(await data(florin, `/v1/payments/${failed.id}/journals`), []);
      const [event] = await data(florin, `/v1/payments/${failed.id}/events`);
      assert.equal(event.type, 'payment.failed');
      assert.deepEqual(event.data, failed);
    }
  });

test('a decline is a stored answer: the repeat gives the same bytes and asks nobody', async () => {
  const key = newKey();
  const first = await create('pm_tok_declined_do_not_honor', { idempotencyKey: key });
  assertProblem(first, 402, 'payment_declined');
  assert.equal(first.headers['idempotent-replayed'], undefined);
  const again = await create('pm_tok_declined_do_not_honor', { idempotencyKey: key });
  assert.equal(again.status, 402);
  assert.equal(again.headers['content-type'], 'application/problem+json');
  assert.equal(again.headers['idempotent-replayed'], 'true');
  assert.equal(again.text, first.text);
  assert.equal((await data(florin, `/v1/payments/${first.json.payment.id}/attempts`)).length, 1);
});

test('a failed payment cannot be captured, canceled or refunded', async () => {
  const { id } = (await create('pm_tok_declined_stolen_card')).json.payment;
  for (const what of ['capture', 'cancel', 'refund'])
    assertProblem(await florin.post(`/v1/payments/${id}/${what}`, {}), 409, 'state_conflict');
  assert.equal((await readPayment(florin, id)).status, 'failed');
});

test('declines leave no trace in the ledger', async () => {
  const before = await verifyLedger(florin);
  await create('pm_tok_declined_insufficient_funds');
  const after = await verifyLedger(florin);
  assert.equal(after.journals, before.journals);
  assert.equal(after.events, before.events + 1);
});
