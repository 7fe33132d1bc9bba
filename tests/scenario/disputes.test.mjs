// Disputes: opened by the cardholder, answered with evidence, won, lost, reversed; the money is held, comes back or is gone.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  assertOk, assertProblem, balance, count, data, newKey, otherMerchant, pay, read, readPayment, refund, start, times, verifyLedger, waitFor,
} from './support.mjs';
import { request } from '../lib/florin.mjs';

let florin;
before(async () => { florin = await start(); });
after(async () => {
  if (florin) await verifyLedger(florin);
  await florin?.stop();
});

const PDF = Buffer.from('%PDF-1.4\nA receipt.\n%%EOF\n'), PNG = Buffer.from('\x89PNG\r\n\x1a\n....', 'latin1');
const file = (overrides = {}) => ({
  purpose: 'receipt', name: 'receipt.pdf', content_type: 'application/pdf', content: PDF.toString('base64'), ...overrides,
});
const paid = (token, more) => pay(florin, { payment_method_token: `pm_tok_${token}`, amount: 1000, ...more });
const post = (id, what, body = {}, options) => florin.post(`/v1/disputes/${id}/${what}`, body, options);
const readDispute = (id) => read(florin, `/v1/disputes/${id}`);
const refundable = (id) => florin.post(`/v1/payments/${id}/refund`, { amount: 1 });

// The dispute of a payment, once Florin knows of it.
const disputeOf = (id, test = () => true) => waitFor(async () => {
  const [one] = await data(florin, `/v1/disputes?payment=${id}`);
  return one && test(one) && one;
});
const until = (id, status) => waitFor(async () => {
  const now = await readDispute(id);
  return now.status === status && now;
}, { message: async () => JSON.stringify(await readDispute(id)) });

async function disputed(token = 'dispute_fraud', more) {
  const { id } = await paid(token, more);
  return disputeOf(id);
}

async function control(path, body) {
  const answer = await request(`${florin.sandbox}/control/${path}`, {
    method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' },
  });
  assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.text}`);
}
const move = (dispute, status) => control(`disputes/${dispute.provider_reference}`, { status });
const chargeOf = (id) => data(florin, `/v1/payments/${id}/attempts`).then((list) => list.at(-1).id);

// Journals of a payment after the sale, oldest first.
const kinds = async (id) => (await data(florin, `/v1/payments/${id}/journals`)).map((j) => j.kind).reverse().slice(1);
const events = async (id) => (await data(florin, '/v1/events?limit=100')).filter((e) => e.data.id === id).map((e) => e.type).reverse();

// --- opened ---

test('a chargeback takes the money until it is decided, and refunds are refused meanwhile', async () => {
  const currency = 'NOK', d = await disputed('dispute_fraud', { currency });
  assert.match(d.id, /^dsp_/);
  assert.equal(d.object, 'dispute');
  assert.equal(d.mode, 'test');
  assert.equal(d.status, 'needs_response');
  assert.equal(d.amount, 1000);
  assert.equal(d.amount_held, 1000);
  assert.equal(d.currency, currency);
  assert.equal(d.reason, 'fraudulent');
  assert.equal(d.network_reason_code, '10.4');
  assert.equal(d.fee, 1500);
  assert.ok(Date.parse(d.due_at) > Date.now() + 6 * 86400e3);
  assert.equal(d.submitted_at, null);
  assert.deepEqual(d.evidence, {});
  assert.deepEqual(d.files, []);
  const now = await readPayment(florin, d.payment);
  assert.equal(now.status, 'captured');
  assert.equal(now.amount_disputed, 1000);
  assert.deepEqual(await events(d.id), ['dispute.created']);
  assert.deepEqual(await kinds(d.payment), ['dispute_hold']);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 0 });
  assert.deepEqual(await balance(florin, 'disputes_held', currency), { pending: 0, posted: 1000 });
  assert.match(assertProblem(await refundable(d.payment), 409, 'state_conflict').detail, /chargeback of 10\.00 NOK is open/);
});

test('an inquiry takes nothing, and refunds go on', async () => {
  const d = await disputed('dispute_inquiry');
  assert.equal(d.status, 'inquiry');
  assert.equal(d.amount_held, 0);
  assert.equal((await readPayment(florin, d.payment)).amount_disputed, 0);
  assert.deepEqual(await kinds(d.payment), []);
  assertOk(await refundable(d.payment));
  await move(d, 'closed');
  await until(d.id, 'won');
  assert.deepEqual(await events(d.id), ['dispute.created', 'dispute.closed']);
});

test('an inquiry that becomes a chargeback takes the money then', async () => {
  const d = await disputed('dispute_inquiry');
  await move(d, 'chargeback');
  assert.equal((await until(d.id, 'needs_response')).amount_held, 1000);
  assert.deepEqual(await events(d.id), ['dispute.created', 'dispute.updated']);
  assert.deepEqual(await kinds(d.payment), ['dispute_hold']);
  assertProblem(await refundable(d.payment), 409, 'state_conflict');
});

test('disputes are listed, and found by payment, status and references', async () => {
  const d = await disputed('dispute_not_received');
  assert.equal(d.reason, 'product_not_received');
  for (const query of [`payment=${d.payment}`, `reference=${d.provider_reference}`, `reference=${d.acquirer_reference}`, `status=needs_response&payment=${d.payment}`])
    assert.deepEqual((await data(florin, `/v1/disputes?${query}`)).map((x) => x.id), [d.id], query);
  assert.deepEqual(await data(florin, `/v1/disputes?payment=${d.payment}&status=won`), []);
  assert.ok((await data(florin, '/v1/disputes?limit=100')).some((x) => x.id === d.id));
  assertProblem(await florin.get('/v1/disputes?status=nice'), 400, 'parameter_invalid', { param: 'status' });
  assertProblem(await florin.get(`/v1/disputes/${d.id.replace(/.{4}$/, '0000')}`), 404, 'not_found');
});

// --- evidence ---

test('evidence is merged from texts and files, and shown without contents', async () => {
  const d = await disputed();
  assertOk(await post(d.id, 'evidence', { customer_name: 'Ada Lovelace', shipping_carrier: 'Post' }));
  const now = assertOk(await post(d.id, 'evidence', {
    shipping_carrier: null, receipt: 'No. 7', files: [file(), file({ purpose: 'other', name: 'box.png', content_type: 'image/png', content: PNG.toString('base64') })],
  }));
  assert.deepEqual(now.evidence, { customer_name: 'Ada Lovelace', receipt: 'No. 7' });
  assert.deepEqual(now.files.map((f) => [f.number, f.name, f.size]), [[1, 'receipt.pdf', PDF.length], [2, 'box.png', PNG.length]]);
  assert.match(now.files[0].sha256, /^[0-9a-f]{64}$/);
  assert.ok(!JSON.stringify(now).includes(PDF.toString('base64')));
  const other = Buffer.concat([PDF, Buffer.from('newer')]);
  const replaced = assertOk(await post(d.id, 'evidence', { files: [file({ content: other.toString('base64') })] }));
  assert.deepEqual(replaced.files.map((f) => f.size).sort(), [PNG.length, other.length].sort());
  assert.deepEqual(await readDispute(d.id), replaced);
  assert.deepEqual(await events(d.id), ['dispute.created', 'dispute.updated', 'dispute.updated', 'dispute.updated']);
});

test('evidence that is not fit is refused, and nothing of it is kept', async () => {
  const d = await disputed();
  const bad = async (body, param, status = 400) => {
    const answer = await post(d.id, 'evidence', body);
    assert.equal(answer.status, status, `${JSON.stringify(body).slice(0, 200)} ${answer.text}`);
    if (param) assert.equal(answer.json.param, param, answer.text);
    return answer.json;
  };
  await bad({ customer_nam: 'x' }, 'customer_nam');
  await bad({ customer_name: 'x'.repeat(256) }, 'customer_name');
  await bad({ customer_name: 7 }, 'customer_name');
  await bad({});
  await bad({ files: 'all' }, 'files');
  await bad({ files: [7] });
  await bad({ files: [file({ purpose: 'fun' })] }, 'files.0.purpose');
  await bad({ files: [file({ name: '../receipt.pdf' })] }, 'files.0.name');
  await bad({ files: [file({ content_type: 'text/html' })] }, 'files.0.content_type');
  await bad({ files: [file(), file({ content_type: 'image/png' })] }, 'files.1.content_type');
  await bad({ files: [file({ content: 'not base64' })] }, 'files.0.content');
  await bad({ files: [file({ content: '' })] }, 'files.0.content');
  await bad({ files: [{ ...file(), more: 1 }] }, 'files.0.more');
  assert.match((await bad({ files: Array.from({ length: 6 }, (_, i) => file({ name: `${i}.pdf` })) }, 'files')).detail, /at most 5/);
  await bad({ files: [file({ content: Buffer.concat([PDF, Buffer.alloc(300e3)]).toString('base64') })] }, undefined, 413);
  assert.deepEqual(await readDispute(d.id), d);
  assertOk(await post(d.id, 'evidence', { files: [1, 2, 3].map((n) => file({ name: `${n}.pdf` })) }));
  await bad({ files: [4, 5, 6].map((n) => file({ name: `${n}.pdf` })) }, 'files');
  assert.equal((await readDispute(d.id)).files.length, 3);
});

test('a file may have 768 KiB where a body may be that large', async () => {
  const large = await start({ settings: { 'http-body-bytes-max': 2 << 20 } });
  try {
    const { id } = await pay(large, { payment_method_token: 'pm_tok_dispute_fraud', amount: 1000 });
    const [d] = await waitFor(async () => {
      const list = await data(large, `/v1/disputes?payment=${id}`);
      return list.length > 0 && list;
    });
    const sized = (n, name) => file({ name, content: Buffer.concat([PDF, Buffer.alloc(n - PDF.length, 65)]).toString('base64') });
    const put = (f) => large.post(`/v1/disputes/${d.id}/evidence`, { files: [f] });
    assertProblem(await put(sized((768 << 10) + 1, 'a.pdf')), 400, 'parameter_invalid', { param: 'files.0.content' });
    for (const name of ['a.pdf', 'b.pdf', 'c.pdf', 'd.pdf', 'e.pdf']) assertOk(await put(sized(768 << 10, name)));
    assertOk(await large.post(`/v1/disputes/${d.id}/evidence`, { uncategorized_text: 'winning_evidence' }));
    assert.equal(assertOk(await large.post(`/v1/disputes/${d.id}/submit`)).status, 'won');
  } finally {
    await large.stop();
  }
});

// --- won, lost, accepted ---

test('evidence that convinces wins: the money comes back', async () => {
  const currency = 'SEK', d = await disputed('dispute_fraud', { currency });
  assertOk(await post(d.id, 'evidence', { uncategorized_text: 'winning_evidence', files: [file()] }));
  const key = newKey(), answer = await post(d.id, 'submit', {}, { idempotencyKey: key });
  const now = assertOk(answer);
  assert.equal(now.status, 'won');
  assert.ok(now.submitted_at);
  assert.equal(now.amount_held, 0);
  assert.equal((await post(d.id, 'submit', {}, { idempotencyKey: key })).text, answer.text);
  assert.deepEqual(await kinds(d.payment), ['dispute_hold', 'dispute_release']);
  assert.equal((await readPayment(florin, d.payment)).amount_disputed, 0);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 1000 });
  assert.equal((await events(d.id)).at(-1), 'dispute.closed');
  assertOk(await refundable(d.payment));
  assertProblem(await post(d.id, 'submit'), 409, 'state_conflict');
  assertProblem(await post(d.id, 'evidence', { receipt: 'x' }), 409, 'state_conflict');
});

test('evidence that does not convince loses the amount and the fee', async () => {
  const currency = 'DKK', d = await disputed('dispute_fraud', { currency, amount: 5000 });
  assertOk(await post(d.id, 'evidence', { uncategorized_text: 'losing_evidence' }));
  assert.equal(assertOk(await post(d.id, 'submit')).status, 'lost');
  assert.deepEqual(await kinds(d.payment), ['dispute_hold', 'dispute_loss']);
  assert.equal((await readPayment(florin, d.payment)).amount_disputed, 5000);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: -1500 });
  assert.deepEqual(await balance(florin, 'merchant_pending', currency), { pending: 0, posted: 0 });
  assert.deepEqual(await balance(florin, 'fees', currency), { pending: 0, posted: 1500 });
  assert.match(assertProblem(await refundable(d.payment), 409, 'state_conflict').detail, /50\.00 DKK was lost to disputes/);
  await move(d, 'won'); // reversed after all
  await until(d.id, 'won');
  assert.deepEqual(await kinds(d.payment), ['dispute_hold', 'dispute_loss', 'dispute_reversal']);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 5000 });
  assert.deepEqual(await balance(florin, 'fees', currency), { pending: 0, posted: 0 });
  assertOk(await refundable(d.payment));
});

test('evidence under review: nothing more may be said, the issuer decides', async () => {
  const d = await disputed();
  assertProblem(await post(d.id, 'submit'), 409, 'state_conflict'); // there is none
  assertOk(await post(d.id, 'evidence', { receipt: 'No. 7' }));
  assert.equal(assertOk(await post(d.id, 'submit')).status, 'under_review');
  for (const [what, body] of [['submit'], ['accept'], ['evidence', { receipt: 'x' }]])
    assert.match(assertProblem(await post(d.id, what, body), 409, 'state_conflict').detail, /submitted already/);
  await move(d, 'lost');
  await until(d.id, 'lost');
  assert.deepEqual(await events(d.id), ['dispute.created', 'dispute.updated', 'dispute.updated', 'dispute.closed']);
});

test('a chargeback is accepted: the money and the fee are gone', async () => {
  const d = await disputed();
  const now = assertOk(await post(d.id, 'accept'));
  assert.equal(now.status, 'accepted');
  assert.deepEqual(await kinds(d.payment), ['dispute_hold', 'dispute_loss']);
  assertProblem(await post(d.id, 'accept'), 409, 'state_conflict');
  assertProblem(await refundable(d.payment), 409, 'state_conflict');
});

test('an inquiry is accepted: the money is gone without a fee', async () => {
  const currency = 'CHF', d = await disputed('dispute_inquiry', { currency });
  assert.equal(assertOk(await post(d.id, 'accept')).status, 'accepted');
  assert.deepEqual(await kinds(d.payment), ['dispute_hold', 'dispute_loss']);
  assert.deepEqual(await balance(florin, 'provider_receivable', currency), { pending: 0, posted: 0 });
  assert.deepEqual(await balance(florin, 'fees', currency), { pending: 0, posted: 0 });
});

test('many answers at once: one is given', async () => {
  const d = await disputed();
  assertOk(await post(d.id, 'evidence', { receipt: 'No. 7' }));
  const answers = await times(16, (i) => post(d.id, i % 2 ? 'accept' : 'submit'));
  assert.equal(count(answers, (a) => a.status === 200), 1, JSON.stringify(answers.map((a) => a.text)));
  for (const a of answers) assert.ok([200, 409].includes(a.status), a.text);
});

const fault = (kind, operation) => control('faults', { next: 1, kind, operation });

test('an answer whose outcome is not known is found out by asking', async () => {
  const d = await disputed();
  assertOk(await post(d.id, 'evidence', { receipt: 'No. 7' }));
  await fault('error_after', 'evidence');
  assertOk(await post(d.id, 'submit'));
  assert.ok((await until(d.id, 'under_review')).submitted_at);
  const other = await disputed();
  await fault('drop_after', 'accept');
  assertOk(await post(other.id, 'accept'));
  await until(other.id, 'accepted');
  assert.deepEqual(await kinds(other.payment), ['dispute_hold', 'dispute_loss']);
});

test('an answer that did not arrive may be given again once that is certain', async () => {
  const d = await disputed();
  assertOk(await post(d.id, 'evidence', { receipt: 'No. 7' }));
  await fault('error_before', 'evidence');
  assert.equal(assertOk(await post(d.id, 'submit')).status, 'needs_response');
  assert.match(assertProblem(await post(d.id, 'accept'), 409, 'state_conflict').detail, /on its way/);
  const answer = await waitFor(async () => {
    const one = await post(d.id, 'submit');
    return one.status !== 409 && one;
  });
  assert.equal(assertOk(answer).status, 'under_review');
});

// --- time ---

test('a deadline is announced before it comes', async () => {
  const soon = await start({ settings: { 'dispute-reminder-ms': 8 * 86400e3 } }); // longer than there is time to answer
  try {
    const { id } = await pay(soon, { payment_method_token: 'pm_tok_dispute_fraud', amount: 1000 });
    const types = async () => (await data(soon, '/v1/events?limit=100')).filter((e) => e.data.payment === id).map((e) => e.type).reverse();
    await waitFor(async () => (await types()).includes('dispute.deadline_approaching'));
    assert.deepEqual(await types(), ['dispute.created', 'dispute.deadline_approaching']);
    const [d] = await data(soon, `/v1/disputes?payment=${id}`);
    assert.equal(d.version, 2);
  } finally {
    await soon.stop();
  }
});

// --- several, and parts ---

test('a dispute of a part leaves the rest refundable once it is decided', async () => {
  const { id } = await paid('visa');
  await refund(florin, id, { amount: 200 });
  await control('disputes', { charge: await chargeOf(id), stage: 'chargeback', reason: 'product_unacceptable', amount: 300 });
  const d = await disputeOf(id);
  assert.equal(d.amount, 300);
  assertProblem(await refundable(id), 409, 'state_conflict');
  assertOk(await post(d.id, 'accept'));
  assertProblem(await florin.post(`/v1/payments/${id}/refund`, { amount: 501 }), 400, 'parameter_invalid', { param: 'amount' });
  assert.equal((await refund(florin, id)).amount, 500);
  const now = await readPayment(florin, id);
  assert.equal(now.amount_refunded, 700);
  assert.equal(now.amount_disputed, 300);
});

test('disputes, refunds and reviews of another merchant are not there', async () => {
  const { key } = await otherMerchant(florin), d = await disputed();
  const { id } = await paid('amount_shift_large'), back = await refund(florin, id, { amount: 1 });
  const [review] = await waitFor(async () => {
    const list = await data(florin, `/v1/reviews?payment=${id}`);
    return list.length > 0 && list;
  });
  for (const path of [`/v1/disputes/${d.id}`, `/v1/refunds/${back.id}`, `/v1/reviews/${review.id}`])
    assertProblem(await florin.get(path, { key }), 404, 'not_found');
  for (const [path, body] of [[`/v1/disputes/${d.id}/evidence`, { receipt: 'x' }], [`/v1/disputes/${d.id}/submit`], [`/v1/disputes/${d.id}/accept`],
    [`/v1/refunds/${back.id}/cancel`], [`/v1/reviews/${review.id}/resolve`, { resolution: 'accept' }]])
    assertProblem(await florin.post(path, body, { key, idempotencyKey: newKey() }), 404, 'not_found');
  for (const path of ['/v1/disputes', '/v1/reviews', `/v1/disputes?payment=${d.payment}`, `/v1/disputes?reference=${d.provider_reference}`])
    assert.deepEqual(await data(florin, path, { key }), [], path);
});
