// `florin store copy`: a SQLite store moves to PostgreSQL, broken off and gone on with, and Florin goes on with the same keys, replays
// and sequences. TEST_COPY_PAYMENTS is how many payments it has.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FLORIN, newFolder } from '../lib/florin.mjs';
import { testDatabase, testServer } from '../lib/postgres.mjs';
import { assertOk, assertProblem, newKey, pay, payment, refund, run, start, startReceiver, waitFor } from '../scenario/support.mjs';

const PAYMENTS = Number(process.env.TEST_COPY_PAYMENTS ?? 2000);
const KILLS = 4;

const dataDir = join(newFolder(), 'data');
const source = `sqlite:${join(dataDir, 'florin.db')}`;
const remembered = []; // requests with their answers
let florin, store, receiver, server;

const copy = (to, ...more) => run(['store', 'copy', '--from', source, '--to', to, ...more], { timeout: 600000 });

async function remember(path, body) {
  const key = newKey(), answer = await florin.post(path, body, { idempotencyKey: key });
  remembered.push({ path, body, key, status: answer.status, text: answer.text });
  return answer;
}

before(async () => {
  server = await testServer();
  store = await testDatabase();
  receiver = await startReceiver();
  florin = await start({ dataDir, store: source });
  assertOk(await florin.post('/v1/webhook_endpoints', { url: receiver.url }));
  const paid = assertOk(await remember('/v1/payments', payment({ capture: true })));
  assertOk(await remember(`/v1/payments/${paid.id}/refund`, { amount: 100 }));
  await remember('/v1/payments', payment({ payment_method_token: 'pm_tok_chargeDeclined' }));
  let left = PAYMENTS;
  await Promise.all(Array.from({ length: 64 }, async () => {
    while (left-- > 0) assertOk(await florin.post('/v1/payments', payment({ capture: left % 3 > 0 }), { idempotencyKey: newKey() }));
  }));
});
after(async () => { await florin?.stop(); await receiver?.close(); });

test('a store that is in use is not copied', async () => {
  const { code, stderr } = await copy(store);
  assert.equal(code, 1);
  assert.match(stderr, /in use/);
});

test('what cannot be copied is said', async () => {
  assert.equal((await run(['store', 'copy', '--from', source])).code, 2);
  assert.equal((await run(['store', 'copy', '--from', source, '--to', 'sqlite:other.db'])).code, 2);
  const nothing = await run(['store', 'copy', '--from', 'sqlite:/nowhere/florin.db', '--to', store]);
  assert.equal(nothing.code, 1);
  assert.match(nothing.stderr, /no store/);
});

// Kills a copy after a while; true when it had not ended by then.
async function brokenOff(ms) {
  const child = spawn(FLORIN, ['store', 'copy', '--from', source, '--to', store], { stdio: 'ignore' });
  const ended = new Promise((done) => child.on('exit', (code, signal) => done(signal === 'SIGKILL')));
  await sleep(ms); // whichever moment that is
  child.kill('SIGKILL');
  return ended;
}

test('broken off at any moment it goes on, and verifies', async (t) => {
  await florin.stop();
  florin = undefined;
  let broken = 0;
  for (let i = 1; i <= KILLS; i++) broken += await brokenOff(40 * i + PAYMENTS / 100 * i);
  assert.ok(broken > 0, 'no copy was killed before its end');
  const begun = Date.now(), { code, stdout, stderr } = await copy(store, '--json');
  assert.equal(code, 0, stderr);
  const told = JSON.parse(stdout);
  assert.ok(told.rows.payment >= PAYMENTS + 2 && told.rows.event > PAYMENTS, stdout);
  const verified = await run(['ledger', 'verify', '--store', store, '--expect-head', told.head]);
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  t.diagnostic(`figures copy: ${PAYMENTS} payments, ${told.rows_in_all} rows; the last of ${broken + 1} runs took ${Date.now() - begun} ms`);
});

test('it goes on in the middle of a table whose key has text', async () => {
  const half = await testDatabase(), database = new URL(half).pathname.slice(1);
  const sql = (text) => server.sql(text, { database });
  const child = spawn(FLORIN, ['store', 'copy', '--from', source, '--to', half], { stdio: 'ignore' });
  const ended = new Promise((done) => child.on('exit', done));
  const of = await waitFor(async () => {
    try { return `${await sql('SELECT version FROM schema_floor WHERE merchant_id = 1')}`.trim(); } catch { return ''; }
  });
  await ended;
  const all = (await sql('SELECT count(*) FROM lookup')).trim();
  const key = 'merchant_id, object, kind, value COLLATE "C", object_id';
  await sql(`DELETE FROM lookup WHERE (${key}) > (SELECT ${key} FROM lookup ORDER BY ${key} OFFSET ${Math.floor(Number(all) / 3)} LIMIT 1)`);
  assert.notEqual((await sql('SELECT count(*) FROM lookup')).trim(), all);
  await sql(`UPDATE schema_floor SET version = 1000000000 WHERE merchant_id = 0; DELETE FROM schema_floor WHERE merchant_id = 1; INSERT INTO schema_floor VALUES (1, ${of})`);
  const { code, stderr } = await copy(half);
  assert.equal(code, 0, stderr);
  assert.equal((await sql('SELECT count(*) FROM lookup')).trim(), all);
});

test('a copy that is complete is not overwritten', async () => {
  const { code, stderr } = await copy(store);
  assert.equal(code, 1);
  assert.match(stderr, /not empty/);
});

test('no Florin starts on half a copy, and another source does not go on with it', async () => {
  const half = await testDatabase();
  assert.equal((await run(['migrate', '--data', newFolder(), '--store', half])).code, 0);
  const name = new URL(half).pathname.slice(1);
  await server.sql('UPDATE schema_floor SET version = 1000000000; INSERT INTO schema_floor VALUES (1, 5)', { database: name });
  const serve = await run(['ledger', 'verify', '--store', half]);
  assert.equal(serve.code, 1);
  assert.match(serve.stderr, /store copy/);
  const other = await copy(half);
  assert.equal(other.code, 1);
  assert.match(other.stderr, /another store|has changed/);
});

test('keys that somebody makes while it begins are there, or were made after it', async () => {
  const to = await testDatabase();
  const make = async () => {
    const { code, stdout } = await run(['keys', 'create', '--data', dataDir, '--store', source, '--json'], { timeout: 60000 });
    return { id: code === 0 && JSON.parse(stdout).id, at: Date.now() };
  };
  const copying = copy(to).then((ended) => ({ ...ended, at: Date.now() }));
  const made = await Promise.all([1, 2, 3].map(make)); // before it has the source to itself, or after: they wait for each other
  const { code, stderr, at } = await copying;
  assert.equal(code, 0, stderr);
  const listed = await run(['keys', 'list', '--data', dataDir, '--store', to]);
  const before = made.filter((key) => key.id && key.at < at - 300); // those that waited end when it does
  for (const key of before) assert.ok(listed.stdout.includes(key.id), `${key.id} is there`);
});

test('keys, replays and sequences go on', async () => {
  florin = await start({ dataDir, store });
  for (const { path, body, key, status, text } of remembered) {
    const again = await florin.post(path, body, { idempotencyKey: key });
    assert.equal(again.status, status);
    assert.equal(again.text, text, 'byte for byte');
  }
  assertProblem(await florin.post('/v1/payments', payment({ amount: 1 }), { idempotencyKey: remembered[0].key }), 422, 'idempotency_key_reused');
  const paid = await pay(florin, { capture: true });
  await refund(florin, paid.id, { amount: 5 });
  await receiver.wait((r) => r.json?.data?.id === paid.id || r.body.includes(paid.id), { timeout: 30000 });
  const verified = await run(['ledger', 'verify', '--store', store]);
  assert.equal(verified.code, 0, verified.stdout);
});
