// What an operator sees: health, metrics, the log; and what must never be seen there.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { value } from '../lib/metrics.mjs';
import {
  assertOk, createKey, pay, payment, refund, run, start, startReceiver, verifyLedger, waitFor,
} from './support.mjs';

const PAN = '4242424242424242', CREDENTIAL = 'credential-27182818284590';
let florin, receiver, secret;
before(async () => {
  florin = await start({ settings: { 'log-level': 'debug' } });
  receiver = await startReceiver({ respond: (request, n) => (n === 1 ? 500 : 200) });
  secret = assertOk(await florin.post('/v1/webhook_endpoints', { url: `${receiver.url}?token=in-the-url` })).secret;
});
after(async () => {
  await florin?.stop();
  await receiver?.close();
});

async function metrics() {
  const answer = await florin.get('/metrics', { key: null });
  assert.equal(answer.status, 200);
  assert.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/);
  return answer.text;
}

test('healthz and readyz answer without a key', async () => {
  for (const [path, status] of [['/healthz', 'ok'], ['/readyz', 'ready']]) {
    const answer = await florin.get(path, { key: null });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.status, status);
  }
});

test('metrics are well-formed: each has help and type, no sample is without them', async () => {
  await pay(florin);
  const text = await metrics();
  const types = new Map();
  for (const line of text.trimEnd().split('\n')) {
    const type = /^# TYPE ([a-z_:]+) (counter|gauge|histogram)$/.exec(line);
    if (type) {
      assert.ok(!types.has(type[1]), `${type[1]} twice`);
      types.set(type[1], type[2]);
    } else if (!line.startsWith('#')) {
      const sample = /^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*)\})? ([-+.eE\d]+|\+Inf|NaN)$/.exec(line);
      assert.ok(sample, `not a sample: ${line}`);
      const base = sample[1].replace(/_(bucket|sum|count)$/, '');
      assert.ok(types.has(sample[1]) || types.get(base) === 'histogram', `no type: ${line}`);
      if (types.get(sample[1]) === 'counter') assert.match(sample[1], /_total$/);
    }
  }
  for (const name of ['florin_http_requests_total', 'florin_attempts_total', 'florin_provider_seconds', 'florin_payments_total',
    'florin_declines_total', 'florin_store_batches_total', 'florin_store_queue', 'florin_janitor_total', 'florin_idempotent_replays_total',
    'florin_webhook_attempts_total', 'florin_webhook_lag_seconds', 'florin_log_lines_total'])
    assert.ok(types.has(name), name);
});

test('metrics count what happens', async () => {
  const before = await metrics();
  const key = 'metrics-1', grown = (after, ...what) => value(after, ...what) - value(before, ...what);
  await pay(florin);
  await pay(florin, {}, { idempotencyKey: key });
  await pay(florin, {}, { idempotencyKey: key });
  await florin.post('/v1/payments', payment({ payment_method_token: 'pm_tok_declined_stolen_card' }));
  await florin.post('/v1/payments', payment({ amount: -1 }));
  const after = await metrics();
  assert.equal(grown(after, 'florin_payments_total', 'captured'), 2);
  assert.equal(grown(after, 'florin_payments_total', 'failed'), 1);
  assert.equal(grown(after, 'florin_declines_total', 'stolen_card'), 1);
  assert.equal(grown(after, 'florin_idempotent_replays_total'), 1);
  assert.equal(grown(after, 'florin_attempts_total', 'provider="sandbox"', 'operation="authorize"', 'outcome="captured"'), 2);
  assert.equal(grown(after, 'florin_attempts_total', 'outcome="declined"'), 1);
  assert.ok(grown(after, 'florin_http_requests_total', '2xx') >= 3);
  assert.ok(grown(after, 'florin_http_requests_total', '4xx') >= 2);
  assert.ok(grown(after, 'florin_http_request_seconds_count') >= 5);
  assert.ok(grown(after, 'florin_store_operations_total') >= 6);
});

test('webhook metrics count attempts and lag', async () => {
  const paid = await pay(florin);
  await waitFor(() => receiver.requests.some((r) => r.json.data.id === paid.id));
  await waitFor(async () => value(await metrics(), 'florin_webhook_attempts_total', 'succeeded') >= 1);
  assert.ok(value(await metrics(), 'florin_webhook_attempts_total', 'failed') >= 1);
  await waitFor(async () => value(await metrics(), 'florin_webhook_lag_seconds_count') >= 1);
});

test('every line of the log is one JSON object with time, level and event', async () => {
  await pay(florin, { payment_method_token: 'pm_tok_error_after' });
  const lines = florin.log().split('\n').filter((line) => line.startsWith('{'));
  assert.ok(lines.length > 0);
  for (const line of lines.slice(0, -1)) {
    const entry = JSON.parse(line);
    if (entry.api) continue; // the line of the ready file on standard output
    assert.ok(Object.keys(entry).length >= 3, line);
  }
});

test('requests can be found in the log by their id', async () => {
  const { headers } = await florin.post('/v1/payments', payment());
  await waitFor(() => florin.log().includes(headers['request-id']));
});

test('no secret is in the log: keys, webhook secrets, credentials, tokens in URLs, card numbers', async () => {
  const other = await createKey(florin, '--merchant', florin.merchant_id);
  assertOk(await florin.get('/v1/balances', { key: other.key }));
  await florin.get('/v1/balances', { key: 'sk_test_not_a_key_but_looks_like_one_123456' });
  assertOk(await florin.post('/v1/provider_accounts', {
    connector: 'sandbox', credentials: { base_url: florin.sandbox, api_key: CREDENTIAL }, priority: 900,
  }));
  for (const body of [payment({ payment_method_token: PAN }), payment({ description: `card ${PAN}` }),
    payment({ metadata: { card: '4000 0000 0000 0002' } }), payment({ card: PAN }), `{"pan":"${PAN}`])
    await florin.post('/v1/payments', body);
  await florin.get(`/v1/payments?status=${PAN}`);
  await florin.get(`/v1/${PAN}`);
  await florin.get(`/v1/payments/pay_${PAN}`);
  const paid = await pay(florin);
  await refund(florin, paid.id, { reason: `card ${PAN}` });
  await waitFor(() => receiver.requests.some((r) => r.json.data.id === paid.id));
  const marker = await florin.post('/v1/payments', payment());
  await waitFor(() => florin.log().includes(marker.headers['request-id']));
  const log = florin.log();
  const served = log.split('\n').filter((line) => !line.includes('"secret_key"') && !line.includes("'Authorization: Bearer")).join('\n');
  for (const [name, text] of Object.entries({
    'secret key': florin.secret_key, 'publishable key': florin.publishable_key, 'other key': other.key, 'webhook secret': secret,
    'part of the webhook secret': secret.slice(6, 30), credential: CREDENTIAL, 'card number': PAN, 'card number in groups': '4000 0000 0000 0002',
    'a wrong key': 'sk_test_not_a_key_but_looks_like_one_123456',
  })) assert.ok(!served.includes(text), `${name} is in the log: ${served.split('\n').find((line) => line.includes(text))}`);
});

test('the log says nothing of errors in all this', () => {
  const errors = florin.log().split('\n').filter((line) => /"level":"error"/.test(line));
  assert.deepEqual(errors, []);
});

test('commands: version, help, wrong usage', async () => {
  const version = await run(['version', '--json']);
  assert.equal(version.code, 0);
  assert.match(JSON.parse(version.stdout).version, /^\d+\.\d+\.\d+$/);
  const help = await run(['--help']);
  assert.equal(help.code, 0);
  for (const command of ['up', 'serve', 'sandbox', 'keys', 'ledger', 'connector', 'migrate']) {
    assert.match(help.stdout, new RegExp(`^ +${command} `, 'm'));
    const own = await run([command, '--help']);
    assert.equal(own.code, 0, command);
    assert.ok(own.stdout.length > 100);
  }
  for (const wrong of [[], ['nothing'], ['up', '--nothing', '1'], ['up', '--api'], ['up', 'extra'], ['keys'], ['ledger', 'burn'], ['up', '--lease-ms', 'long']]) {
    const result = await run(wrong);
    assert.equal(result.code, 2, `florin ${wrong.join(' ')}: ${result.code} ${result.stderr}`);
    assert.ok(result.stderr.length > 10, wrong.join(' '));
  }
});

test('the fixtures of the sandbox connector pass', async () => {
  const result = await run(['connector', 'test', 'sandbox']);
  assert.equal(result.code, 0, result.stdout + result.stderr);
  assert.match(result.stdout, /[1-9]\d* passed, 0 failed/);
  assert.equal((await run(['connector', 'test', 'nobody'])).code, 1);
});

test('the ledger can be verified while payments run', async () => {
  const load = Promise.all(Array.from({ length: 40 }, () => pay(florin)));
  await verifyLedger(florin);
  await load;
  await verifyLedger(florin);
});
