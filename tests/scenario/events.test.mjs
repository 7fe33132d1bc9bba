// The event log: dense, in commit order, never changing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { all, assertOk, assertProblem, data, pay, payment, read, refund, start, times } from './support.mjs';

let florin, log;
before(async () => {
  florin = await start();
  await times(10, (i) => florin.post('/v1/payments', payment({
    capture: i % 2 === 0,
    payment_method_token: i % 5 ? 'pm_tok_visa' : 'pm_tok_declined_do_not_honor',
  })));
  const held = await pay(florin, { capture: false });
  assertOk(await florin.post(`/v1/payments/${held.id}/capture`, {}));
  await refund(florin, held.id, { amount: 1 });
  await refund(florin, held.id);
  const dropped = await pay(florin, { capture: false });
  assertOk(await florin.post(`/v1/payments/${dropped.id}/cancel`, {}));
  log = await all(florin, '/v1/events');
});
after(async () => { await florin?.stop(); });

test('sequence numbers have no hole and begin at one', () => {
  assert.deepEqual(log.map((e) => e.sequence), log.map((_, i) => log.length - i));
  assert.equal(log.at(-1).sequence, 1);
  for (let i = 1; i < log.length; i++) assert.ok(log[i - 1].created >= log[i].created, 'time does not run back');
});

test('versions of each object are dense, from one', () => {
  const seen = new Map();
  for (const event of [...log].reverse()) {
    const version = (seen.get(event.data.id) ?? 0) + 1;
    assert.equal(event.object_version, version, event.type);
    assert.equal(event.data.version ?? version, version);
    seen.set(event.data.id, version);
  }
  assert.ok(seen.size > 10);
});

test('the envelope is complete', () => {
  for (const event of log) {
    assert.match(event.id, /^evt_[0-9A-HJKMNP-TV-Z]{26}$/i);
    assert.equal(event.mode, 'test');
    assert.equal(event.api_version, '2026-11-24');
    assert.match(event.created, /Z$/);
    assert.match(event.type, /^(payment|refund)\.[a-z_]+$/);
    assert.equal(event.data.object, event.type.split('.')[0]);
    assert.deepEqual(Object.keys(event).sort(),
      ['api_version', 'created', 'data', 'id', 'mode', 'object_version', 'sequence', 'type']);
  }
  assert.equal(new Set(log.map((e) => e.id)).size, log.length);
});

test('each change is told once, with the status it led to', () => {
  const types = [...log].reverse().map((e) => e.type);
  const tally = (type) => types.filter((t) => t === type).length;
  assert.equal(tally('payment.failed'), 2);
  assert.equal(tally('payment.canceled'), 1);
  assert.equal(tally('payment.refunded'), 1);
  assert.equal(tally('refund.succeeded'), 2);
  for (const event of log.filter((e) => e.type.startsWith('payment.'))) assert.equal(`payment.${event.data.status}`, event.type);
});

test('pages by cursor in both directions give the same log', async () => {
  for (const limit of [1, 3, 7]) assert.deepEqual(await all(florin, '/v1/events', { limit }), log);
  const page = await read(florin, `/v1/events?limit=3&ending_before=${log[5].id}`);
  assert.deepEqual(page.data, log.slice(2, 5));
  assert.equal(page.has_more, true);
});

test('by type', async () => {
  const failed = await data(florin, '/v1/events?type=payment.failed');
  assert.deepEqual(failed, log.filter((e) => e.type === 'payment.failed'));
  assert.deepEqual(await all(florin, '/v1/events?type=payment.captured', { limit: 1 }), log.filter((e) => e.type === 'payment.captured'));
  assert.deepEqual(await data(florin, '/v1/events?type=payment.expired'), []);
});

test('one by one: the same object, and nothing under another id', async () => {
  for (const event of log.slice(0, 5)) assert.deepEqual(await read(florin, `/v1/events/${event.id}`), event);
  const id = log[0].id;
  const last = id.at(-1) === '0' ? '1' : '0';
  assertProblem(await florin.get(`/v1/events/${id.slice(0, -1)}${last}`), 404, 'not_found');
});

test('a payment’s events are its own part of the log', async () => {
  const { id } = log.find((e) => e.type === 'payment.refunded').data;
  const own = await data(florin, `/v1/payments/${id}/events`);
  assert.deepEqual(own, log.filter((e) => e.data.id === id));
  assert.deepEqual(own.map((e) => e.type), ['payment.refunded', 'payment.captured', 'payment.authorized']);
});

test('events already written never change', async () => {
  await pay(florin);
  const now = await all(florin, '/v1/events');
  assert.deepEqual(now.slice(-log.length), log);
  assert.equal(now[0].sequence, now.length);
});
