// The harness itself: what must fail a test does.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

process.env.FLORIN_BIN = fileURLToPath(new URL('fake.mjs', import.meta.url));
const { rawRequest, request, startFlorin, startReceiver, verifyWebhook, waitFor } = await import('./florin.mjs');
const { Webhook } = await import('standardwebhooks');
const start = (way) => startFlorin({ env: { FAKE: way } });

test('a clean stop is one', async () => {
  const florin = await start('clean');
  await florin.stop();
  assert.equal(florin.running, false);
});

test('another status than 0 fails', async () => assert.rejects((await start('status')).stop(), /ends with status 0/));
test('a report of a sanitizer fails, whatever the status', async () => assert.rejects((await start('report')).stop(), /heap-use-after-free/));
test('so do its words on standard error', async () => assert.rejects((await start('words')).stop(), /signed integer overflow/));
test('one that ends before it is ready is told at once', async () => assert.rejects(start('never'), /status 2/));

test('one that does not stop is killed, and fails', async () => {
  const florin = await start('stuck');
  await assert.rejects(florin.stop({ timeout: 300 }), /did not stop/);
  await waitFor(() => !existsSync(`/proc/${florin.pid}`) || /^State:\tZ/m.test(readFileSync(`/proc/${florin.pid}/status`, 'utf8')));
});

test('waiting ends with a deadline', async () => assert.rejects(waitFor(() => false, { timeout: 50 }), /not within/));

test('a receiver answers as told, and signatures are verified', async () => {
  const receiver = await startReceiver({ respond: (one, n) => (n === 1 ? { status: 500, body: 'no' } : 204) });
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`, body = '{"type":"payment.captured"}';
  const send = (signature) => request(receiver.url, {
    method: 'POST', body,
    headers: { 'webhook-id': 'evt_1', 'webhook-timestamp': String(Math.floor(Date.now() / 1000)), 'webhook-signature': signature },
  });
  const first = await send(new Webhook(secret).sign('evt_1', new Date(), body));
  assert.deepEqual([first.status, first.text], [500, 'no']);
  assert.equal((await send('v1,bm90IG9uZQ==')).status, 204);
  assert.equal(receiver.count('payment.captured'), 2);
  assert.equal(verifyWebhook(secret, receiver.requests[0]).type, 'payment.captured');
  assert.throws(() => verifyWebhook(secret, receiver.requests[1]));
  await receiver.close();
});

test('an answer that breaks off is no answer', async () => {
  const server = createServer((socket) => socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf')));
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const url = `http://127.0.0.1:${server.address().port}/`;
  await assert.rejects(request(url));
  const raw = await rawRequest(url, 'GET / HTTP/1.1\r\n\r\n');
  assert.deepEqual([raw.status, raw.text, raw.closed], [200, 'half', true]);
  server.close();
});
