// Black-box harness: starts the program that FLORIN_BIN names (default build/florin) on a fresh folder, talks to it, stops it,
// and looks at what sanitizers had to say. Nothing here knows how Florin works inside. With TEST_STORE=postgres each folder's Florin
// keeps its data in a PostgreSQL database of its own (see postgres.mjs); otherwise it is SQLite, in the folder.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { send } from './http.mjs';
import { testDatabase } from './postgres.mjs';
import { alive, atExit } from './process.mjs';
import { SLOW, waitFor } from './wait.mjs';

export { rawRequest, request } from './http.mjs';
export { startReceiver, verifyWebhook } from './receiver.mjs';
export { SLOW, waitFor } from './wait.mjs';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const FLORIN = resolve(ROOT, process.env.FLORIN_BIN ?? 'build/florin');
delete process.env.FLORIN_BIN; // FLORIN_… is the program's own: what it does not know there it refuses

const SUPPRESSIONS = join(ROOT, 'tests/lib');
const COMPLAINT = /ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer|assertion failed/i;
const running = new Set(); // of parents: killed when the test process ends, however it ends
const folders = new Set();

atExit(() => {
  for (const child of running) {
    try { process.kill(child.pid, 'SIGKILL'); } catch { /* gone */ }
  }
  if (process.env.TEST_KEEP) return;
  for (const folder of folders) {
    try { rmSync(folder, { recursive: true, force: true, maxRetries: 5 }); } catch { /* a role was still writing */ }
  }
});

function sanitizerOptions(folder) {
  const log = (name) => `log_path=${join(folder, name)}`;
  return {
    ASAN_OPTIONS: `${log('asan')}:abort_on_error=1:detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1`,
    LSAN_OPTIONS: `suppressions=${join(SUPPRESSIONS, 'lsan.supp')}:print_suppressions=0`,
    UBSAN_OPTIONS: `${log('ubsan')}:print_stacktrace=1`,
    TSAN_OPTIONS: `${log('tsan')}:exitcode=66:second_deadlock_stack=1:suppressions=${join(SUPPRESSIONS, 'tsan.supp')}`,
  };
}

class Florin {
  #folder; #options; #child; #agent; #generation = 0;

  constructor(folder, options) {
    this.#folder = folder;
    this.#options = options;
    this.dataDir = options.dataDir;
    this.store = options.store; // undefined: the program's default
    Object.assign(this, options.known);
    this.readyFile = join(folder, 'ready.json');
    this.logFile = join(folder, 'florin.log');
    mkdirSync(this.dataDir, { recursive: true });
  }

  // What a command needs to work on the same data: `florin ledger verify`, `florin keys`.
  get place() { return ['--data', this.dataDir, ...(this.store ? ['--store', this.store] : [])]; }

  // --- life ---

  async start() {
    assert.equal(this.#child, undefined, 'Florin runs already');
    rmSync(this.readyFile, { force: true });
    const at = (url) => (url ? new URL(url).host : '127.0.0.1:0');
    const { command = 'up', args = [] } = this.#options;
    const log = openSync(this.logFile, 'a');
    const child = spawn(FLORIN, [
      command, ...this.place, '--ready-file', this.readyFile, '--api', at(this.api), '--public', at(this.public),
      '--card', at(this.card),
      ...(command === 'up' ? ['--sandbox', at(this.sandbox)] : []), ...args,
    ], {
      cwd: this.#folder,
      env: { ...process.env, ...sanitizerOptions(this.#folder), ...this.#options.env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    running.add(child);
    this.#child = child;
    child.ended = new Promise((done) => {
      child.on('error', (error) => { running.delete(child); done({ code: null, signal: null, error }); });
      child.on('exit', (code, signal) => { running.delete(child); done({ code, signal }); });
    });
    this.#agent = new Agent({ keepAlive: true, timeout: 500, maxSockets: Infinity });
    await this.ready();
    return this;
  }

  // Waits for the ready file, and after `kill9(pid)` for the one that knows the new processes.
  async ready({ timeout = 30000 } = {}) {
    const child = this.#child;
    let end;
    child.ended.then((how) => { end = how; });
    const gone = Object.values(this.processes ?? {}).filter((pid) => !alive(pid));
    const ready = await waitFor(() => {
      if (end) throw new Error(`florin up ended (${end.error ?? `status ${end.code}, signal ${end.signal}`}):\n${this.log(3000)}`);
      let now;
      try { now = JSON.parse(readFileSync(this.readyFile, 'utf8')); } catch { return undefined; }
      return Object.values(now.processes).some((pid) => gone.includes(pid)) ? undefined : now;
    }, { timeout, message: () => `florin up did not become ready:\n${this.log(3000)}` });
    Object.assign(this, ready);
    this.#generation++;
    return ready;
  }

  // SIGTERM; everything must end by itself with status 0 and without a word from a sanitizer.
  async stop({ timeout = 45000 } = {}) {
    if (!this.#child) return this.checkLogs();
    this.#child.kill('SIGTERM'); // what runs is still answered; one that ended by itself is told of below
    const how = await this.#ended(timeout);
    this.#child = undefined;
    this.#agent.destroy();
    await this.#rolesGone();
    this.checkLogs();
    assert.deepEqual(how, { code: 0, signal: null }, `a clean stop ends with status 0:\n${this.log(3000)}`);
    return how;
  }

  async #ended(timeout) {
    const child = this.#child;
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => {
        try { process.kill(child.pid, 'SIGKILL'); } catch { /* ended just now */ }
        reject(new Error(`Florin did not stop within ${timeout * SLOW} ms:\n${this.log(3000)}`));
      }, timeout * SLOW);
    });
    try { return await Promise.race([child.ended, late]); } finally { clearTimeout(timer); }
  }

  #rolesGone() {
    return waitFor(() => Object.values(this.processes ?? {}).every((pid) => !alive(pid)), { message: () => 'a role outlives its parent' });
  }

  // kill -9 of everything (parent and roles), or of one process: that one the parent starts again; see ready().
  async kill9(pid) {
    if (pid !== undefined) {
      process.kill(pid, 'SIGKILL');
      await waitFor(() => !alive(pid));
      return;
    }
    const child = this.#child;
    for (const one of [child.pid, ...Object.values(this.processes)]) {
      try { process.kill(one, 'SIGKILL'); } catch { /* died with its parent */ }
    }
    await child.ended;
    this.#child = undefined;
    this.#agent.destroy();
    await this.#rolesGone();
  }

  // Again on the same data and the same ports; stops cleanly first when it runs.
  async restart({ args, env } = {}) {
    if (this.#child) await this.stop();
    if (args) this.#options.args = args;
    if (env) this.#options.env = env;
    return this.start();
  }

  get running() { return this.#child !== undefined; }

  log(last = Infinity) {
    try { return readFileSync(this.logFile, 'utf8').slice(-last); } catch { return ''; }
  }

  logLines() {
    return this.log().split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }

  checkLogs() {
    for (const name of readdirSync(this.#folder)) {
      if (!/^(asan|ubsan|tsan)\.|^florin\.log$/.test(name)) continue;
      const text = readFileSync(join(this.#folder, name), 'utf8');
      const found = text.match(COMPLAINT);
      if (found || (name !== 'florin.log' && text.trim()))
        throw new Error(`${name}:\n${text.slice(Math.max(0, (found?.index ?? 0) - 200)).slice(0, 12000)}`);
    }
  }

  // --- talking to it ---

  // body: an object becomes JSON; a string or Buffer goes as it is. key: null sends no Authorization.
  request(method, path, { body, key = this.secret_key, idempotencyKey, headers = {}, base = this.api, timeout } = {}) {
    const all = {};
    if (key !== null) all.Authorization = `Bearer ${key}`;
    if (idempotencyKey != null) all['Idempotency-Key'] = idempotencyKey;
    const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    if (bytes !== undefined) all['Content-Type'] = 'application/json';
    return send(method, new URL(path, base), { ...all, ...headers }, bytes, { agent: this.#agent, timeout });
  }

  get(path, options) { return this.request('GET', path, options); }
  post(path, body = {}, options) { return this.request('POST', path, { ...options, body }); }

  // What the sandbox provider really charged.
  async book(query = '') {
    const answer = await send('GET', new URL(`/book?${new URLSearchParams(query)}`, this.sandbox), {}, undefined, { agent: this.#agent });
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }
}

// For another Florin beside the test's own: ports that nobody has.
export const FREE_PORTS = ['--api', '127.0.0.1:0', '--public', '127.0.0.1:0', '--card', '127.0.0.1:0', '--sandbox', '127.0.0.1:0'];

export const asArgs = (settings) => Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);

const stores = new Map(); // of data folders

async function storeOf(dataDir) {
  if (process.env.TEST_STORE !== 'postgres') return undefined;
  if (!stores.has(dataDir)) stores.set(dataDir, await testDatabase());
  return stores.get(dataDir);
}

export function newFolder() {
  const folder = mkdtempSync(join(process.env.TEST_TMP ?? tmpdir(), 'florin-test-'));
  folders.add(folder);
  return folder;
}

// Starts Florin. Options: env, args, command (up, or serve), dataDir (default: a fresh one), store (default: what the stage tests;
// one folder, one store), known (members of the result that this command does not tell, such as secret_key).
export async function startFlorin(options = {}) {
  const folder = newFolder();
  const dataDir = options.dataDir ?? join(folder, 'data');
  return new Florin(folder, { ...options, dataDir, store: options.store ?? await storeOf(dataDir) }).start();
}
