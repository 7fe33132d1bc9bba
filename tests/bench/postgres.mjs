// The PostgreSQL rows. Everything happens on one server of the bench's own, with durable settings, and each measurement begins with
// a copy of one prepared database. The rows are measured in turn, round after round, and are the means.
//
//   floor_plain_…        pgbench sends what Florin sends for one payment (replay.mjs), 16 clients, and waits after each statement: what Florin is compared with
//   floor_pipelined_…    the same, sent together where a script can (it need not look at what Florin must look at)
//   card_payment…        Florin end to end; with two nodes, half of the connections go to each
//
// …_1_merchant: all payments are one merchant's, whose row each of the two transactions locks until its commit; so they come one by
// one, but for what Florin puts into one batch. …_16_merchants: nobody waits for anybody; a client of the floor has its own merchant,
// and Florin's requests take turns among them.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { FLORIN, newFolder, startFlorin } from '../lib/florin.mjs';
import { program, startPostgres } from '../lib/postgres.mjs';
import { runProcess } from '../lib/process.mjs';
import { WARM, compare, endToEnd, floorSeconds, mean, quantile, rounded, rounds, serverUsage, sizes, status } from './measure.mjs';
import { LOG, checkReplay, recordPayment, replayScript } from './replay.mjs';

const CLIENTS = 16, MERCHANTS = 16;

// What a careful operator of a small machine would leave as it is; the log is read once, at the beginning.
const SETTINGS = {
  fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', shared_buffers: '128MB', min_wal_size: '256MB', max_wal_size: '1GB',
  log_line_prefix: LOG.log_line_prefix,
};

const NODE = ['--log-level', 'warn', '--sandbox-webhooks', 'false'];

// --- the prepared database ---

async function pay(florin, key, idempotencyKey) {
  const answer = await florin.post('/v1/payments', { amount: 9232, currency: 'EUR', payment_method_token: 'pm_tok_visa', capture: true,
    metadata: { order_id: 'ORD-1001' } }, { key, idempotencyKey });
  assert.equal(answer.status, 200, answer.text);
}

async function newMerchant(florin, name) {
  const created = await runProcess(FLORIN, ['keys', 'create', '--new-merchant', name, '--json', ...florin.place]);
  assert.equal(created.code, 0, created.stderr);
  const { key } = JSON.parse(created.stdout);
  const account = await florin.post('/v1/provider_accounts', { connector: 'sandbox', credentials: { base_url: florin.sandbox, api_key: 'sandbox' } }, { key });
  assert.equal(account.status, 200, account.text);
  return key;
}

// The database `prepared`: 16 merchants with a payment each, so that no later one is anybody's first. The last payment is the
// recorded one. Result: what later nodes start with.
async function prepare(server) {
  const store = await server.createDatabase('prepared');
  await server.sql(`ALTER DATABASE prepared SET log_statement = '${LOG.log_statement}'`);
  const florin = await startFlorin({ store, args: NODE });
  const keys = [florin.secret_key];
  while (keys.length < MERCHANTS) keys.push(await newMerchant(florin, `Merchant ${keys.length + 1}`));
  for (const key of keys) await pay(florin, key, 'first');
  await pay(florin, keys[0], 'recorded');
  await florin.stop();
  const merchants = (await server.sql('SELECT merchant_id FROM merchant ORDER BY merchant_id', { url: store })).split('\n').map(Number);
  const [first, step] = [merchants[0], merchants[1] - merchants[0]];
  assert.deepEqual(merchants, keys.map((_, i) => first + step * i), 'merchants are numbered with equal steps');
  return { dataDir: florin.dataDir, keys, sandbox: florin.sandbox, first, step, payments: MERCHANTS + 1, recorded: recordPayment(server.log()) };
}

// Runs `what` with the URL of a copy of the prepared database, which is dropped afterwards.
async function withCopy(server, what) {
  await server.sql('CREATE DATABASE measured OWNER florin TEMPLATE prepared');
  try {
    return await what(server.url({ database: 'measured', role: 'florin' }));
  } finally {
    await server.dropDatabase('measured');
  }
}

// --- the floor ---

// Every transaction of the floor did all that Florin's do: no update missed its row.
async function judgeFloor(server, url, payments) {
  const counted = await server.sql(`SELECT (SELECT count(*) FROM payment WHERE captured = 9232 AND version = 1), (SELECT count(DISTINCT state) FROM payment),
    (SELECT count(*) FROM attempt WHERE updated_at > created_at OR provider_reference IS NOT NULL), (SELECT count(*) FROM answer WHERE status = 200),
    (SELECT count(*) FROM job), (SELECT count(*) FROM posting), (SELECT sum(event_last) FROM sequencer), (SELECT sum(journal_last) FROM sequencer),
    (SELECT count(*) FROM event), (SELECT count(*) FROM chain)`, { url });
  const n = payments;
  assert.equal(counted, [n, 1, n, n, 0, 2 * n, n, n, n, n].join('|'), `${n} payments, and the tables have otherwise`);
}

async function pgbench(prepared, script, url, merchants, args) {
  const folder = newFolder(), file = join(folder, 'payment.sql');
  writeFileSync(file, script.text);
  const given = [`first=${prepared.first}`, `step=${merchants > 1 ? prepared.step : 0}`, 'number=0', `start=${Date.now() * 1000}`, ...script.constants];
  const { code, stdout, stderr } = await runProcess(program('pgbench'), ['-n', '-M', 'prepared', '-f', file, '--log', '--log-prefix', join(folder, 'times'),
    ...given.flatMap((one) => ['-D', one]), ...args, url], { timeout: (floorSeconds + WARM + 60) * 1000 });
  const said = (pattern) => Number(stdout.match(pattern)?.[1]);
  assert.ok(code === 0 && said(/number of failed transactions: (\d+)/) === 0, `pgbench: status ${code}\n${stdout}${stderr}`);
  const logs = readdirSync(folder).filter((name) => name.startsWith('times')).map((name) => readFileSync(join(folder, name), 'utf8'));
  rmSync(folder, { recursive: true });
  const lines = logs.flatMap((log) => log.trim().split('\n')).map((line) => line.split(' ').map(Number));
  return { payments: said(/actually processed: (\d+)/), all: lines.map((line) => ({ end_us: line[4] * 1e6 + line[5], took_us: line[2] })) };
}

// What pgbench sends is what Florin sends.
async function checkScripts(server, prepared, scripts) {
  for (const script of Object.values(scripts)) {
    await withCopy(server, async (url) => {
      await server.sql(`ALTER DATABASE measured SET log_statement = '${LOG.log_statement}'`);
      const from = server.log().length;
      await pgbench(prepared, script, url, 1, ['-c', '1', '-t', '1']);
      checkReplay(prepared.recorded, server.log().slice(from));
      await judgeFloor(server, url, prepared.payments + 1);
    });
  }
}

// The first moments do not count: each session then reads the catalogs and makes its plans, which Florin's have done long ago.
async function measureFloor(server, prepared, script, merchants) {
  return withCopy(server, async (url) => {
    const running = pgbench(prepared, script, url, merchants, ['-c', String(CLIENTS), '-j', '2', '-T', String(floorSeconds + WARM)]);
    await Promise.race([running, sleep(WARM * 1000)]);
    const before = await serverUsage(server), from_us = Date.now() * 1000;
    const { payments, all } = await running;
    const after = await serverUsage(server);
    await judgeFloor(server, url, prepared.payments + payments);
    const counted = all.filter((one) => one.end_us > from_us);
    const times = counted.map((one) => [one.took_us / 1000, 1]);
    const per = (what) => rounded((after[what] - before[what]) / counted.length);
    return {
      payments: counted.length, per_second: rounded((counted.length * 1e6) / (Math.max(...counted.map((one) => one.end_us)) - from_us)),
      p50_ms: rounded(quantile(times, 0.5), 2), p99_ms: rounded(quantile(times, 0.99), 2), bytes_per_payment: per('bytes'),
      server_cpu_us_per_payment: per('cpu'),
    };
  });
}

function floor(server, prepared, scripts, kind, merchants) {
  const name = `floor_${kind}_${merchants === 1 ? '1_merchant' : `${merchants}_merchants`}`;
  return {
    what: `${name}, ${CLIENTS} at a time`,
    measure: async () => ({ name, engine: 'postgres', connections: CLIENTS, nodes: null, merchants, ...await measureFloor(server, prepared, scripts[kind], merchants) }),
  };
}

// --- Florin ---

// The first node has the sandbox provider, where the accounts of all merchants expect it; the others share its master key.
async function startNodes(prepared, store, count) {
  const dataDir = join(newFolder(), 'data');
  cpSync(prepared.dataDir, dataDir, { recursive: true });
  const nodes = [await startFlorin({ store, dataDir, known: { sandbox: prepared.sandbox }, args: NODE })];
  while (nodes.length < count) {
    nodes.push(await startFlorin({ command: 'serve', store, args: [...NODE, '--vault', 'none', '--confinement', 'best', '--key-file', join(dataDir, 'master.key'), '--provider-allow-private', 'true'] }));
  }
  return nodes;
}

function cardPayments(server, prepared, { connections, nodes: count, merchants }) {
  const name = merchants === 1 ? 'card_payment' : `card_payment_${merchants}_merchants`;
  const measure = () => withCopy(server, async (store) => {
    const nodes = await startNodes(prepared, store, count);
    const row = await endToEnd({ nodes, keys: prepared.keys.slice(0, merchants), connections, server });
    for (const node of nodes.reverse()) await node.stop();
    for (const node of nodes) rmSync(node.dataDir, { recursive: true, force: true });
    return { name, engine: 'postgres', merchants, ...row };
  });
  return { what: `${name}, ${connections} at a time, ${count} nodes`, measure };
}

// --- all of it ---

// Both lists evenly in one another, so that a drift of the machine meets both.
function inTurn(...lists) {
  const places = lists.flatMap((list) => list.map((one, i) => ({ one, at: (i + 0.5) / list.length })));
  return places.sort((a, b) => a.at - b.at).map(({ one }) => one);
}

async function allRows(server) {
  status('PostgreSQL is being prepared …');
  const prepared = await prepare(server);
  const scripts = { plain: replayScript(prepared.recorded, { pipelined: false }), pipelined: replayScript(prepared.recorded, { pipelined: true }) };
  await checkScripts(server, prepared, scripts);
  const shapes = [1, MERCHANTS];
  const floors = shapes.flatMap((merchants) => ['plain', 'pipelined'].map((kind) => floor(server, prepared, scripts, kind, merchants)));
  const florins = shapes.flatMap((merchants) => sizes('16,64').flatMap((connections) => [1, 2].filter((nodes) => connections % nodes === 0)
    .map((nodes) => cardPayments(server, prepared, { connections, nodes, merchants }))));
  const measured = new Map([...floors, ...florins].map((one) => [one, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const one of inTurn(floors, florins)) {
      status(`PostgreSQL, round ${round} of ${rounds}: ${one.what} …`);
      measured.get(one).push(await one.measure());
    }
  }
  return [...measured.values()].map((list) => ({ ...mean(list), rounds: list.map((row) => row.per_second) })).sort((a, b) => a.merchants - b.merchants);
}

export async function postgresRows() {
  const server = await startPostgres({ settings: SETTINGS });
  try {
    const rows = await allRows(server);
    for (const row of rows.filter(({ nodes }) => nodes)) {
      const floor = (kind) => rows.find(({ name, merchants }) => name.startsWith(`floor_${kind}`) && merchants === row.merchants);
      compare(row, floor('plain'), `${floor('plain').name} at ${CLIENTS} clients`);
      row.ratio_pipelined = rounded(row.per_second / floor('pipelined').per_second, 2);
    }
    return rows;
  } finally {
    server.remove();
  }
}
