// The database goes away for a while: what clients, load balancers and operators then see.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startPostgres } from '../lib/postgres.mjs';
import { endAll } from '../lib/process.mjs';
import { assertOk, newKey, pay, payment, run, start, verifyLedger, waitFor } from '../scenario/support.mjs';

let server, florin, store;
before(async () => {
  server = await startPostgres();
  store = await server.createDatabase();
  florin = await start({ store });
});
after(() => endAll(() => florin?.stop(), () => server?.remove()));

const ready = async () => (await florin.get('/readyz', { key: null })).status;

test('while the database is away a node is not ready, and says 503', async () => {
  const before = await pay(florin, { capture: true });
  await server.kill9();
  const key = newKey();
  const asked = florin.post('/v1/payments', payment({ capture: true }), { idempotencyKey: key, timeout: 60000 });
  await waitFor(async () => (await ready()) === 503, { timeout: 20000 });
  const refused = await asked;
  assert.equal(refused.status, 503, refused.text);
  assert.equal(refused.json.code, 'unavailable');
  for (let i = 0; i < 50; i++) assert.equal(await ready(), 503, 'and it stays so');
  await server.restart();
  await waitFor(async () => (await ready()) === 200, { timeout: 20000 });
  assertOk(await florin.post('/v1/payments', payment({ capture: true }), { idempotencyKey: key }));
  assert.equal(assertOk(await florin.get(`/v1/payments/${before.id}`)).status, 'captured');
  await verifyLedger(florin);
});

test('a start without the database says why', async () => {
  const nobody = store.replace(/:\d+\//, ':1/');
  const { code, stderr } = await run(['migrate', '--data', florin.dataDir, '--store', nobody]);
  assert.equal(code, 1);
  assert.match(stderr, /refused/);
});

test('a URI that cannot be read is not repeated: it may hold a password', async () => {
  for (const uri of ['postgres://florin:se%cret@127.0.0.1/x', 'postgres://florin:sec/ret@127.0.0.1/x', 'postgres://florin:se@cret@127.0.0.1/x', 'postgres://florin:secret@[::1/x']) {
    const { code, stdout, stderr } = await run(['migrate', '--data', florin.dataDir, '--store', uri]);
    assert.equal(code, 1, uri);
    assert.match(stderr, /cannot be read/);
    assert.doesNotMatch(stdout + stderr, /se%?cret|sec\/|se@/);
  }
});

test('what Florin needs of a server it checks at the start', async () => {
  await server.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C' OWNER florin");
  const latin = await run(['migrate', '--data', florin.dataDir, '--store', server.url({ database: 'latin', role: 'florin' })]);
  assert.equal(latin.code, 1);
  assert.match(latin.stderr, /UTF8/);
});

test('append-only tables stay so for the role that owns them', async () => {
  const owner = new URL(store);
  for (const text of ['DELETE FROM event', "UPDATE journal SET kind = 1", 'TRUNCATE chain']) {
    await assert.rejects(server.sql(text, { url: owner.href }), /permission denied/);
  }
});
