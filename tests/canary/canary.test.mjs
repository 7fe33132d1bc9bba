// Thousands of card numbers that nobody else has are tokenised and charged; then everything that the machine can show of Florin is
// searched for them. They may be nowhere but in the vault's ciphertext.
//
// CANARIES: how many (default 1000).
import assert from 'node:assert/strict';
import { closeSync, copyFileSync, existsSync, mkdirSync, openSync, readFileSync, readSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { cardNumbers, findInFile, findNumbers } from '../lib/cards.mjs';
import { FLORIN, newFolder, startFlorin, startReceiver, waitFor } from '../lib/florin.mjs';
import { runProcess } from '../lib/process.mjs';
import { newCard } from '../lib/vault_cards.mjs';

const COUNT = Number(process.env.CANARIES ?? 1000), AT_ONCE = 24, LONG = 600000 + COUNT * 200;
const numbers = cardNumbers(COUNT), canaries = new Set(numbers);
const planted = cardNumbers(1, { prefix: '400098' })[0]; // where it is to be found
const wanted = new Set([...numbers, planted]);

// Runs `work` for each, AT_ONCE at a time.
async function forAll(list, work) {
  let next = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < list.length) await work(list[next++]);
  }));
}

const PIECE = 8 << 20, ZERO = Buffer.alloc(PIECE);

// All of a process's memory that can be read, as its owner or root can: one file, without what is all zeros.
function dumpMemory(pid, file) {
  const mem = openSync(`/proc/${pid}/mem`, 'r'), out = openSync(file, 'w'), piece = Buffer.alloc(PIECE);
  let bytes = 0;
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
      const [, from, to, rights, name] = line.match(/^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)$/) ?? [];
      if (!from || !rights.startsWith('r') || /^\[v/.test(name)) continue;
      for (let at = parseInt(from, 16); at < parseInt(to, 16); at += PIECE) {
        const size = Math.min(PIECE, parseInt(to, 16) - at);
        try { readSync(mem, piece, 0, size, at); } catch { continue; } // a guard page, or gone
        if (piece.compare(ZERO, 0, size, 0, size) === 0) continue;
        bytes += writeSync(out, piece, 0, size);
      }
    }
  } finally {
    closeSync(mem);
    closeSync(out);
  }
  return bytes;
}

function* filesIn(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: false })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else if (entry.isFile() && statSync(path).size > 0) yield path;
  }
}

const say = (hits) => hits.slice(0, 5).map((hit) => `${hit.path ?? ''} at ${hit.at}: ${hit.form}, ${hit.number.slice(0, 6)}…${hit.number.slice(-4)}`).join('\n');
const searchFolder = (folder, set = wanted) => [...filesIn(folder)].flatMap((path) => findInFile(path, set).map((hit) => ({ ...hit, path })));
const onlyPlanted = (hits) => hits.filter((hit) => hit.number !== planted);

describe('canary cards', () => {
  let florin, receiver, folder;
  const answers = [];
  const keep = (text) => answers.push(text);
  const memory = {}; // name of the dump: folder

  before(async () => {
    folder = newFolder();
    receiver = await startReceiver();
    florin = await startFlorin({ args: ['--log-level', 'debug'] });
    const endpoint = await florin.post('/v1/webhook_endpoints', { url: receiver.url, enabled_events: ['*'] });
    assert.equal(endpoint.status, 200, endpoint.text);
  });
  after(async () => {
    await florin?.stop();
    receiver?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function gcore(name) {
    const pid = name === 'parent' ? florin.pid : florin.processes[name];
    const target = join(folder, `core-${name}`);
    mkdirSync(target, { recursive: true });
    const result = await runProcess('gcore', ['-a', '-o', join(target, 'core'), String(pid)], { timeout: 120000, cwd: target });
    assert.equal(result.code, 0, `gcore of ${name}: ${result.stderr}${result.stdout}`);
    memory[`core of ${name}`] = target;
  }

  function dump(name, when) {
    const pid = name === 'parent' ? florin.pid : florin.processes[name];
    const target = join(folder, `memory-${name}-${when}`);
    mkdirSync(target, { recursive: true });
    assert.ok(dumpMemory(pid, join(target, 'mem')) > 1e6, `${name} has memory`);
    memory[`memory of ${name} ${when}`] = target;
  }

  test(`${COUNT} cards are tokenised and charged at once`, { timeout: LONG }, async () => {
    let captured = 0, half = false;
    await forAll(numbers, async (number) => {
      const method = await newCard(florin, number);
      keep(JSON.stringify(method));
      const payment = await florin.post('/v1/payments', { amount: 500, currency: 'EUR', payment_method: method.id, metadata: { card: 'new' } });
      keep(payment.text);
      assert.equal(payment.status, 200, payment.text);
      assert.equal(payment.json.status, 'captured', payment.text);
      captured++;
      if (!half && captured > COUNT / 2) { // in the middle of the work
        half = true;
        for (const name of ['api', 'parent']) dump(name, 'under load');
      }
    });
    assert.equal(captured, COUNT);
    const wrong = await florin.post('/v1/payments', { amount: 500, currency: 'EUR', payment_method_token: 'pm_tok_visa', metadata: { planted } });
    assert.equal(wrong.status, 200, wrong.text);
    keep(wrong.text);
    await waitFor(() => receiver.requests.length > COUNT, { timeout: 120000, message: () => `${receiver.requests.length} webhooks` });
  });

  test('the provider got each of them', async () => {
    let charges = 0;
    for (let cursor; ;) {
      const page = await florin.book({ limit: '1000', ...(cursor && { after: cursor }) });
      charges += page.charges.length;
      keep(JSON.stringify(page));
      if (!page.has_more) break;
      cursor = page.charges.at(-1).reference;
    }
    assert.equal(charges, COUNT + 1);
  });

  test('nothing that Florin answered, delivered, counted or logged has one', async () => {
    keep((await florin.get('/metrics', { key: null })).text);
    for (const path of ['/v1/payments?limit=100', '/v1/payment_methods?limit=100', '/v1/events?limit=100']) keep((await florin.get(path)).text);
    const delivered = receiver.requests.map((one) => one.body + JSON.stringify(one.headers)).join('\n');
    const hits = { answers: findNumbers(Buffer.from(answers.join('\n')), wanted), webhooks: findNumbers(Buffer.from(delivered), wanted), log: findInFile(florin.logFile, wanted) };
    for (const [where, found] of Object.entries(hits)) assert.deepEqual(onlyPlanted(found), [], `${where}: ${say(found)}`);
    assert.ok(hits.webhooks.length > 0, 'the planted number is found in what was delivered');
  });

  test('no memory of api and parent has one, live or as a core file', { timeout: LONG }, async () => {
    for (const name of ['api', 'parent']) {
      dump(name, 'at rest');
      await gcore(name);
    }
    const found = Object.fromEntries(Object.entries(memory).map(([name, target]) => [name, searchFolder(target)]));
    for (const [name, hits] of Object.entries(found)) assert.deepEqual(onlyPlanted(hits), [], `${name}: ${say(hits)}`);
  });

  test('a number in memory is found in the same way', async () => {
    const holder = await runProcess(process.execPath, ['-e', `
      const kept = ${JSON.stringify(planted)}.split('').join('');
      const { execFileSync } = require('node:child_process');
      execFileSync('gcore', ['-a', '-o', ${JSON.stringify(join(folder, 'holder'))}, String(process.pid)], { stdio: 'ignore' });
      process.exit(kept.length === 16 ? 0 : 1);`], { timeout: 120000 });
    assert.equal(holder.code, 0, holder.stderr);
    const [core] = readdirSync(folder).filter((name) => name.startsWith('holder'));
    assert.ok(findInFile(join(folder, core), wanted).some((hit) => hit.number === planted));
    rmSync(join(folder, core));
  });

  test('no file has one: store, log of writes, vault, sandbox, backups', { timeout: LONG }, async () => {
    const vault = `${florin.dataDir}-vault`, backup = join(folder, 'backup');
    mkdirSync(backup, { recursive: true });
    for (const name of readdirSync(florin.dataDir).filter((n) => n.startsWith('florin.db'))) copyFileSync(join(florin.dataDir, name), join(backup, name));
    const made = await runProcess(FLORIN, ['vault', 'backup', '--data', florin.dataDir, '--out', join(backup, 'vault-backup')]);
    assert.equal(made.code, 0, made.stdout + made.stderr);
    const found = [florin.dataDir, vault, backup].flatMap((where) => searchFolder(where));
    assert.deepEqual(onlyPlanted(found), [], say(onlyPlanted(found)));
    assert.ok(found.some((hit) => hit.path.includes('florin.db')), 'the planted number is found in the store');
    const sealed = ['vault.db', 'vault.db-wal'].map((name) => join(vault, name)).filter((path) => existsSync(path));
    assert.ok(sealed.reduce((sum, path) => sum + statSync(path).size, 0) > COUNT * 100, 'the cards are there, sealed');
  });

  test('a role that crashes leaves no core file', async () => {
    for (const name of ['card', 'vault', 'api']) {
      const pid = florin.processes[name];
      process.kill(pid, 'SIGSEGV');
      await waitFor(() => !existsSync(`/proc/${pid}`) || / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1')), { message: () => `${name} lives` });
      await florin.ready();
    }
    const cores = [florin.dataDir, `${florin.dataDir}-vault`, join(florin.logFile, '..')].flatMap((where) => [...filesIn(where)]).filter((path) => /\bcore\b/.test(path));
    assert.deepEqual(cores, []);
    const method = await newCard(florin, numbers[0]);
    assert.equal(method.card.last_four, numbers[0].slice(-4), 'and all goes on');
  });
});
