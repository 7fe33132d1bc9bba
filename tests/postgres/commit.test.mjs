// What may happen to a transaction: its connection is lost around COMMIT or elsewhere, or the database ends it with a serialization
// failure (40001). Both must be invisible, but for the time that a repetition takes. TEST_COMMIT_FAULTS is how often each fault is to
// happen; SEED repeats the choices.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { asArgs, startFlorin, startReceiver, waitFor } from '../lib/florin.mjs';
import { Load, SHORT_WAITS } from '../lib/load.mjs';
import { value } from '../lib/metrics.mjs';
import { testDatabase, testServer } from '../lib/postgres.mjs';
import { alive, endAll } from '../lib/process.mjs';
import { startProxy } from '../lib/proxy.mjs';
import { newSeed } from '../lib/random.mjs';

const FAULTS = Number(process.env.TEST_COMMIT_FAULTS ?? 30);
const SEED = newSeed();

// A Florin on this database, and the load on it.
async function startLoad(store) {
  const florin = await startFlorin({ store, args: asArgs(SHORT_WAITS) });
  const receiver = await startReceiver();
  const created = await florin.post('/v1/webhook_endpoints', { url: receiver.url });
  assert.equal(created.status, 200, created.text);
  const load = new Load({ seed: SEED, target: () => florin, timeout: 15000 });
  return { florin, receiver, secret: created.json.secret, load, role: florin.processes.api, sent: [] };
}

async function loadUntil(run, condition) {
  const until = { done: false };
  const loading = run.load.run(until, { patience: 0.5 });
  try {
    await waitFor(condition.met, { timeout: 60000 + 3000 * FAULTS, interval: 50, message: () => `not in time: ${JSON.stringify(condition.so_far())}` });
  } finally {
    until.done = true;
    run.sent.push(...await loading);
  }
}

async function judge(run, t, name) {
  await run.load.reconcile(run.sent);
  await run.load.checkPayments(run.load.owed(run.sent));
  const whole = await run.load.compare(run.receiver, run.secret);
  t.diagnostic(`figures ${name}: ${JSON.stringify({ ...run.load.figures, ...whole })}`);
}

// What the store says of itself: transactions committed and begun again, and what it found out about commits without an answer.
async function told(florin) {
  const { text } = await florin.get('/metrics', { key: null });
  const asked = (result) => value(text, 'florin_store_commits_asked_total', `result="${result}"`);
  return {
    batches: value(text, 'florin_store_batches_total'), repeated: value(text, 'florin_store_repeats_total'), stands: asked('committed'),
    lost: asked('not_committed'),
  };
}

const end = (run) => endAll(() => run?.florin.stop(), () => run?.receiver.close());

describe('connections that are lost', () => {
  let run, proxy;
  before(async () => {
    const store = await testDatabase();
    proxy = await startProxy(Number(new URL(store).port), { seed: SEED, holeMs: [100, 1500] });
    run = await startLoad(proxy.through(store));
  });
  after(() => endAll(() => proxy?.set({}), () => end(run), () => proxy?.close()));

  test(`${FAULTS} before COMMIT, ${FAULTS} after it, ${FAULTS} elsewhere, and some that stand still`, async (t) => {
    const { counts } = proxy;
    proxy.set({ before: 0.03, after: 0.03, other: 0.0003, hole: 0.00003 });
    try {
      await loadUntil(run, {
        met: () => [counts.before, counts.after, counts.other].every((n) => n >= FAULTS) && counts.hole >= FAULTS / 10,
        so_far: () => counts,
      });
    } finally {
      proxy.set({});
    }
    const { batches, repeated, stands, lost } = await told(run.florin), cuts = counts.before + counts.after + counts.other + counts.hole;
    t.diagnostic(`figures proxy: SEED=${SEED} ${JSON.stringify({ ...counts, batches, repeated, stands, lost })}`);
    // Not each: readers end their transactions too. And a COMMIT that arrived, but not the message after it, stands as well.
    assert.ok(stands >= FAULTS / 4 && stands <= counts.after + counts.other, `${counts.after} commits were made and not answered, ${stands} of them found`);
    assert.ok(lost >= FAULTS / 4, `${counts.before} commits did not arrive, ${lost} of them found`);
    assert.ok(repeated <= 2 * cuts, `${cuts} losses, and ${repeated} repetitions`);
  });

  test('the process lives through them', () => assert.ok(alive(run.role)));

  test('nothing is lost, nothing is done twice', (t) => judge(run, t, 'proxy'));
});

// The tables whose writes may fail.
const INJURED = ['payment', 'attempt', 'journal', 'event', 'job'];

// Five of a hundred transactions fail at a statement, and five at their COMMIT. The dice are the transaction's own, so that it does not
// matter how many rows it has; the sequences count also what is rolled back.
const INJECT = `
  CREATE SCHEMA injected;
  GRANT USAGE ON SCHEMA injected TO florin;
  CREATE SEQUENCE injected.at_statement;
  CREATE SEQUENCE injected.at_commit;
  CREATE FUNCTION injected.fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
  BEGIN
    IF abs(hashint8extended(txid_current(), hashtext(TG_ARGV[0])) % 100) < 5 THEN
      PERFORM nextval(TG_ARGV[0]::regclass);
      RAISE EXCEPTION 'injected' USING ERRCODE = '40001';
    END IF;
    RETURN NULL;
  END $$;
  ${INJURED.map((table) => `
  CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON ${table} FOR EACH STATEMENT
    EXECUTE FUNCTION injected.fail('injected.at_statement');`).join('')}
  CREATE CONSTRAINT TRIGGER fail_late AFTER INSERT OR UPDATE ON payment DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION injected.fail('injected.at_commit');`;

// Table by table: Florin is at work, and who holds one table and waits for another can wait in a circle.
const HEAL = `
  DROP TRIGGER fail_late ON payment;
  ${INJURED.map((table) => `DROP TRIGGER fail ON ${table};`).join('\n  ')}
  DROP SCHEMA injected CASCADE;`;

describe('transactions that the database ends', () => {
  let run, server, database;
  const injected = async () => {
    const rows = await server.sql('SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM injected.at_statement UNION ALL SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM injected.at_commit', { database });
    const [at_statement, at_commit] = rows.split('\n').map(Number);
    return { at_statement, at_commit };
  };
  before(async () => {
    const store = await testDatabase();
    server = await testServer();
    database = new URL(store).pathname.slice(1);
    run = await startLoad(store);
    await server.sql(INJECT, { database });
  });
  after(() => end(run));

  test(`${FAULTS} serialization failures at a statement, ${FAULTS} at COMMIT: each is one repetition`, async (t) => {
    const before = await told(run.florin);
    let now;
    await loadUntil(run, {
      met: async () => { now = await injected(); return now.at_statement >= FAULTS && now.at_commit >= FAULTS; },
      so_far: () => now,
    });
    now = await injected();
    const after = await told(run.florin), made = now.at_statement + now.at_commit, repeated = after.repeated - before.repeated;
    t.diagnostic(`figures 40001: SEED=${SEED} ${JSON.stringify({ ...now, ...after })}`);
    assert.ok(repeated >= made / 2, `${made} failures, but ${repeated} repetitions`);
    assert.ok(repeated <= made * 1.5 + 20, `${made} failures, and ${repeated} repetitions`);
  });

  test('the process lives through them', () => assert.ok(alive(run.role)));

  test('nothing is lost, nothing is done twice', async (t) => {
    await server.sql(HEAL, { database });
    await judge(run, t, '40001');
  });
});
