// Webhooks: signed, at least once, the same id and bytes each time, retried until taken or given up.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import {
  assertOk, assertProblem, data, newKey, pay, read, refund, SLOW, start, startReceiver, times, waitFor,
} from './support.mjs';

let florin;
const receivers = [];
before(async () => { florin = await start(); });
after(async () => {
  await florin?.stop();
  for (const receiver of receivers) await receiver.close();
});

// A receiver and its endpoint; respond(request, n) → status, or { status, headers, body, hang, drop }.
async function listen(respond, body = {}) {
  const receiver = await startReceiver({ respond });
  receivers.push(receiver);
  const endpoint = assertOk(await florin.post('/v1/webhook_endpoints', { url: receiver.url, ...body }));
  return { receiver, endpoint, off: () => florin.post(`/v1/webhook_endpoints/${endpoint.id}/disable`, {}) };
}

const about = (receiver, id, type) => receiver.requests.filter((r) => r.json.data.id === id && (!type || r.json.type === type));
const arrived = (receiver, id, n = 1, type) => waitFor(() => {
  const found = about(receiver, id, type);
  return found.length >= n && found;
});
const delivery = async (endpoint, event) => (await data(florin, `/v1/webhook_endpoints/${endpoint.id}/deliveries?limit=100`)).find((d) => d.event === event);

test('an endpoint shows its secret once', async () => {
  const { endpoint, off } = await listen(200, { description: 'Shop', metadata: { team: 'a' }, enabled_events: ['payment.captured', 'refund.succeeded'] });
  assert.match(endpoint.id, /^we_/);
  assert.equal(endpoint.object, 'webhook_endpoint');
  assert.equal(endpoint.status, 'enabled');
  assert.match(endpoint.secret, /^whsec_[A-Za-z0-9+/]{32,}=*$/);
  assert.ok(Buffer.from(endpoint.secret.slice(6), 'base64').length >= 24);
  const shown = await read(florin, `/v1/webhook_endpoints/${endpoint.id}`);
  assert.equal(shown.secret, undefined);
  const { secret, ...rest } = endpoint;
  assert.deepEqual(shown, rest);
  assert.deepEqual(shown.enabled_events, ['payment.captured', 'refund.succeeded']);
  assert.equal(shown.description, 'Shop');
  assert.deepEqual(shown.metadata, { team: 'a' });
  const listed = (await data(florin, '/v1/webhook_endpoints')).find((e) => e.id === endpoint.id);
  assert.deepEqual(listed, rest);
  await off();
});

test('each event is delivered signed, and any change of it is noticed', async () => {
  const { receiver, endpoint, off } = await listen(200);
  const held = await pay(florin, { capture: false });
  const captured = assertOk(await florin.post(`/v1/payments/${held.id}/capture`, {}));
  const back = await refund(florin, held.id);
  const verifier = new Webhook(endpoint.secret);
  await arrived(receiver, held.id, 3);
  await arrived(receiver, back.id);
  for (const request of receiver.requests) {
    assert.equal(request.method, 'POST');
    assert.match(request.headers['content-type'], /^application\/json/);
    const event = verifier.verify(request.body, request.headers);
    assert.equal(request.headers['webhook-id'], event.id);
    assert.ok(Math.abs(Number(request.headers['webhook-timestamp']) - Date.now() / 1000) < 60);
    assert.deepEqual(event, await read(florin, `/v1/events/${event.id}`), 'the webhook is the event');
    assert.throws(() => verifier.verify(`${request.body} `, request.headers));
    assert.throws(() => verifier.verify(request.body, { ...request.headers, 'webhook-id': 'evt_other' }));
    assert.throws(() => new Webhook('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw').verify(request.body, request.headers));
  }
  assert.deepEqual(about(receiver, held.id, 'payment.captured')[0].json.data, captured);
  assert.deepEqual(about(receiver, back.id, 'refund.succeeded')[0].json.data, back);
  const one = await delivery(endpoint, receiver.requests[0].json.id);
  assert.equal(one.status, 'succeeded');
  assert.equal(one.attempts.length, 1);
  assert.equal(one.attempts[0].status, 200);
  assert.equal(one.endpoint, endpoint.id);
  assert.equal(one.next_attempt, null);
  await off();
});

test('a refused delivery is repeated with the same id and the same bytes', async () => {
  const { receiver, endpoint, off } = await listen((request, n) => (n <= 2 ? 500 : 204), { enabled_events: ['payment.captured'] });
  const paid = await pay(florin);
  const [first, second, third] = await arrived(receiver, paid.id, 3);
  for (const again of [second, third]) {
    assert.equal(again.headers['webhook-id'], first.headers['webhook-id']);
    assert.equal(again.body, first.body);
    new Webhook(endpoint.secret).verify(again.body, again.headers);
  }
  assert.ok(second.at - first.at >= 700, 'not before its time');
  const done = await waitFor(async () => {
    const now = await delivery(endpoint, first.json.id);
    return now.status !== 'pending' && now;
  });
  assert.equal(done.status, 'succeeded');
  assert.deepEqual(done.attempts.map((a) => a.status).sort(), [204, 500, 500]);
  assert.deepEqual(done.attempts.map((a) => a.number).sort(), [1, 2, 3]);
  await off();
});

test('an endpoint that never answers well is given up after the last attempt', async () => {
  const { receiver, endpoint, off } = await listen({ status: 503, body: 'closed for holidays' }, { enabled_events: ['payment.captured'] });
  const paid = await pay(florin);
  const [first] = await arrived(receiver, paid.id, 4);
  const given = await waitFor(async () => {
    const now = await delivery(endpoint, first.json.id);
    return now.status === 'failed' && now;
  });
  assert.equal(given.attempts.length, 4, 'as many as the schedule has');
  assert.match(given.attempts[0].response, /holidays/);
  assert.equal(given.next_attempt, null);
  assert.equal((await read(florin, `/v1/webhook_endpoints/${endpoint.id}`)).status, 'enabled');
  await off();
});

test('no answer in time, a closed connection and a redirect are failures; the redirect is not followed', async () => {
  const elsewhere = await startReceiver({ respond: 200 });
  receivers.push(elsewhere);
  const ways = [{ hang: true }, { drop: true }, { status: 302, headers: { Location: elsewhere.url } }];
  const { receiver, endpoint, off } = await listen((request, n) => ways[n - 1] ?? 200, { enabled_events: ['payment.captured'] });
  const paid = await pay(florin);
  const [first] = await arrived(receiver, paid.id, 4);
  const done = await waitFor(async () => {
    const now = await delivery(endpoint, first.json.id);
    return now.status === 'succeeded' && now;
  });
  const byNumber = [...done.attempts].sort((a, b) => a.number - b.number);
  assert.deepEqual(byNumber.map((a) => a.status), [null, null, 302, 200]);
  for (const attempt of byNumber.slice(0, 2)) assert.ok(attempt.error.length > 0);
  assert.equal(elsewhere.requests.length, 0);
  await off();
});

test('Retry-After is heeded', async () => {
  const { receiver, off } = await listen((request, n) => (n === 1 ? { status: 429, headers: { 'Retry-After': '2' } } : 200),
    { enabled_events: ['payment.captured'] });
  const paid = await pay(florin);
  const [first, second] = await arrived(receiver, paid.id, 2);
  assert.ok(second.at - first.at >= 1900, `${second.at - first.at} ms`);
  await off();
});

test('410 disables the endpoint, and an event tells of it', async () => {
  const { receiver, endpoint } = await listen(410);
  const paid = await pay(florin);
  await arrived(receiver, paid.id);
  const gone = await waitFor(async () => {
    const now = await read(florin, `/v1/webhook_endpoints/${endpoint.id}`);
    return now.status === 'disabled' && now;
  });
  assert.match(gone.disabled_reason, /410/);
  const [event] = await data(florin, '/v1/events?type=webhook_endpoint.disabled&limit=1');
  assert.equal(event.data.id, endpoint.id);
  assert.equal(event.data.status, 'disabled');
  assert.equal(event.data.secret, undefined);
  const seen = receiver.requests.length;
  const { receiver: other, off } = await listen(200);
  const next = await pay(florin);
  await arrived(other, next.id); // by now the disabled one would have had it too
  assert.equal(receiver.requests.length, seen);
  await off();
});

test('a disabled endpoint gets nothing; enabled again it gets what comes from then on', async () => {
  const { receiver, endpoint, off } = await listen(200, { enabled_events: ['payment.captured'] });
  const { receiver: witness, off: witnessOff } = await listen(200, { enabled_events: ['payment.captured'] });
  const disabled = assertOk(await off());
  assert.equal(disabled.status, 'disabled');
  const missed = await pay(florin);
  await arrived(witness, missed.id);
  assert.equal(about(receiver, missed.id).length, 0);
  const enabled = assertOk(await florin.post(`/v1/webhook_endpoints/${endpoint.id}/enable`, {}));
  assert.equal(enabled.status, 'enabled');
  assert.equal(enabled.disabled_reason, null);
  assert.equal(enabled.secret, undefined);
  const paid = await pay(florin);
  await arrived(receiver, paid.id);
  assert.equal(about(receiver, missed.id).length, 0);
  await off();
  await witnessOff();
});

test('only the types asked for are sent', async () => {
  const { receiver, off } = await listen(200, { enabled_events: ['refund.succeeded', 'payment.canceled'] });
  const held = await pay(florin, { capture: false });
  const paid = await pay(florin);
  const back = await refund(florin, paid.id);
  assertOk(await florin.post(`/v1/payments/${held.id}/cancel`, {}));
  await arrived(receiver, back.id);
  await arrived(receiver, held.id);
  assert.deepEqual(receiver.requests.map((r) => r.json.type).sort(), ['payment.canceled', 'refund.succeeded']);
  await off();
});

test('two endpoints get each their own signature', async () => {
  const a = await listen(200, { enabled_events: ['payment.captured'] }), b = await listen(200, { enabled_events: ['payment.captured'] });
  assert.notEqual(a.endpoint.secret, b.endpoint.secret);
  const paid = await pay(florin);
  const [[atA], [atB]] = [await arrived(a.receiver, paid.id), await arrived(b.receiver, paid.id)];
  assert.equal(atA.body, atB.body);
  new Webhook(a.endpoint.secret).verify(atA.body, atA.headers);
  assert.throws(() => new Webhook(b.endpoint.secret).verify(atA.body, atA.headers));
  await a.off();
  await b.off();
});

test('an endpoint that hangs does not keep another from its events', async () => {
  const slow = await listen({ hang: true }, { enabled_events: ['payment.captured'] });
  const quick = await listen(200, { enabled_events: ['payment.captured'] });
  const made = await times(20, () => florin.post('/v1/payments', { amount: 5, currency: 'EUR', payment_method_token: 'pm_tok_visa' }));
  const began = Date.now();
  for (const answer of made) await arrived(quick.receiver, assertOk(answer).id);
  assert.ok(Date.now() - began < 5000 * SLOW);
  await slow.off();
  await quick.off();
});

test('events come in order of their sequence when nothing goes wrong, and each exactly once', async () => {
  const { receiver, off } = await listen(200);
  const ids = [];
  for (let i = 0; i < 10; i++) ids.push((await pay(florin)).id);
  await waitFor(() => ids.every((id) => about(receiver, id).length > 0));
  const events = receiver.requests.map((r) => r.json.id);
  assert.equal(new Set(events).size, events.length);
  await off();
});

test('what happened while the endpoint and Florin were down arrives afterwards', async () => {
  let open = false;
  const { receiver, endpoint, off } = await listen(() => (open ? 200 : 500), { enabled_events: ['payment.captured'] });
  const paid = await pay(florin);
  await arrived(receiver, paid.id, 1);
  await florin.kill9();
  open = true;
  await florin.restart();
  const requests = await arrived(receiver, paid.id, 2);
  assert.equal(new Set(requests.map((r) => r.body)).size, 1);
  const event = requests[0].json.id;
  await waitFor(async () => (await delivery(endpoint, event)).status === 'succeeded');
  await off();
});

test('endpoints are listed newest first, in pages', async () => {
  const listed = await data(florin, '/v1/webhook_endpoints?limit=100');
  const page = await read(florin, '/v1/webhook_endpoints?limit=2');
  assert.deepEqual(page.data, listed.slice(0, 2));
  assert.equal(page.has_more, true);
  const next = await read(florin, `/v1/webhook_endpoints?limit=2&starting_after=${page.data[1].id}`);
  assert.deepEqual(next.data, listed.slice(2, 4));
});

test('deliveries are listed newest first, in pages', async () => {
  const { receiver, endpoint, off } = await listen(200, { enabled_events: ['payment.captured'] });
  const ids = [];
  for (let i = 0; i < 3; i++) ids.push((await pay(florin)).id);
  for (const id of ids) await arrived(receiver, id);
  const path = `/v1/webhook_endpoints/${endpoint.id}/deliveries`;
  const whole = await data(florin, path);
  assert.equal(whole.length, 3);
  const first = await read(florin, `${path}?limit=2`);
  assert.deepEqual(first.data.map((d) => d.id), whole.slice(0, 2).map((d) => d.id));
  assert.equal(first.has_more, true);
  await off();
});

test('creating an endpoint twice with one key makes one', async () => {
  const receiver = await startReceiver({ respond: 200 });
  receivers.push(receiver);
  const key = newKey();
  const make = () => florin.post('/v1/webhook_endpoints', { url: receiver.url }, { idempotencyKey: key });
  const first = await make(), again = await make();
  assert.equal(again.text, first.text);
  assert.equal((await data(florin, '/v1/webhook_endpoints?limit=100')).filter((e) => e.url === receiver.url).length, 1);
  assertProblem(await florin.post('/v1/webhook_endpoints', { url: `${receiver.url}/other` }, { idempotencyKey: key }), 422, 'idempotency_key_reused');
});
