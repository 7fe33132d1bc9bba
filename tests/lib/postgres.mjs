// Real PostgreSQL servers for tests, each in a folder of its own and on 127.0.0.1; the machine's own clusters are left alone.
//
//   startPostgres()    a server; createDatabase() gives the URL of a fresh database of the role `florin`, which is no superuser
//   startPair()        a primary and a synchronous standby, with failovers as often as wanted
//   connectPostgres()  the databases of a server that another process started
//   program()          where a program of PostgreSQL is
//   testDatabase()     a database of the stage's server (TEST_POSTGRES), or of one started for this process; dropped at its end
//
// fsync stays on: what a server acknowledged must be there after a kill -9, as in production.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { alive, atExit, runProcess } from './process.mjs';
import { SLOW, waitFor } from './wait.mjs';

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 200,
  shared_buffers: '64MB',
  min_wal_size: '32MB',
  max_wal_size: '256MB',
  wal_keep_size: '128MB',
  hot_standby: 'on',
  jit: 'off',
  dynamic_shared_memory_type: 'mmap', // in the folder, so that a kill -9 leaves nothing elsewhere
  log_line_prefix: '%m [%p] %a ',
};

// --- the programs, and who runs them ---

function findPrograms() {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : [];
  const folders = versions.sort((a, b) => Number(b) - Number(a)).map((version) => `/usr/lib/postgresql/${version}/bin`);
  const found = [...folders, ...(process.env.PATH ?? '').split(':')].find((folder) => existsSync(join(folder, 'initdb')));
  if (!found) throw new Error('there is no PostgreSQL here; tools/setup check installs it');
  return found;
}
let programs;
export const program = (name) => join((programs ??= findPrograms()), name);

// The server refuses to run as root: it becomes `postgres`, or `nobody`.
function serverUser() {
  if (process.getuid() !== 0) return undefined;
  const users = new Map(readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':')).map((user) => [user[0], user]));
  const [, , uid, gid] = users.get('postgres') ?? users.get('nobody');
  return { uid: Number(uid), gid: Number(gid) };
}
const user = serverUser();
const become = user ? ['--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups'] : [];

// Settings of the caller's own libpq have no say here.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')));

async function asServer(name, args, options = {}) {
  const result = await runProcess('setpriv', [...become, program(name), ...args], { env: environment, cwd: '/', timeout: 120000, ...options });
  assert.equal(result.code, 0, `${name}: ${result.stderr}${result.stdout}`);
  return result;
}

function newFolder() {
  const folder = mkdtempSync(join(process.env.TEST_TMP ?? tmpdir(), 'florin-postgres-'));
  if (user) chownSync(folder, user.uid, user.gid);
  return folder;
}

// Below the ports that the kernel gives to outgoing connections, so that a port stays free between two servers on it.
async function freePort() {
  const top = Math.min(Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1').split(/\s+/)[0]), 32000);
  for (;;) {
    const port = 10000 + Math.floor(Math.random() * (top - 10000));
    const free = await new Promise((done) => {
      const server = createServer().once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
    if (free) return port;
  }
}

// --- databases ---

const quoted = (value) => `'${String(value).replaceAll("'", "''")}'`;

// psql as it is used here: no settings of the user, an error ends it, rows without ornaments.
const psqlArguments = (url) => ['-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', url];

class Postgres {
  #url;

  constructor(superUrl) { this.#url = new URL(superUrl); }

  get superUrl() { return this.url(); }

  // The URL of a database, for the superuser or for another role (all have one password).
  url({ database = 'postgres', role = 'postgres' } = {}) {
    const url = new URL(this.#url);
    url.username = role;
    url.pathname = `/${database}`;
    return url.href;
  }

  // Runs SQL as superuser, each statement on its own; the result is text, a row per line, columns divided by `|`.
  async sql(text, { database, url = this.url({ database }), timeout } = {}) {
    const result = await runProcess(program('psql'), psqlArguments(url), { env: environment, input: text, timeout });
    if (result.code !== 0) throw new Error(`psql: ${result.stderr.trim()}\n${text.slice(0, 500)}`);
    return result.stdout.trim();
  }

  // A fresh database that belongs to `florin`, and its URL for that role.
  async createDatabase(name = `t_${randomBytes(6).toString('hex')}`) {
    await this.sql(`CREATE DATABASE ${name} OWNER florin TEMPLATE template0`);
    return this.url({ database: name, role: 'florin' });
  }

  dropDatabase(name) { return this.sql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`); }
}

export const connectPostgres = (superUrl) => new Postgres(superUrl);

// --- servers ---

const servers = new Set();

class Server extends Postgres {
  #child; #settings;

  constructor(folder, port, password, settings) {
    super(`postgres://postgres:${password}@127.0.0.1:${port}/postgres`);
    this.folder = folder;
    this.port = port;
    this.password = password;
    this.#settings = settings;
    this.data = join(folder, 'data');
    this.logFile = join(folder, 'postgres.log');
    if (servers.size === 0) atExit(removeAll);
    servers.add(this);
  }

  // Writes the settings, those given here last; a running server is told to read them.
  configure(more = {}) {
    const all = { ...SETTINGS, ...this.#settings, port: this.port, ...more };
    writeFileSync(join(this.data, 'test.conf'), Object.entries(all).map(([name, value]) => `${name} = ${quoted(value)}\n`).join(''));
    if (this.running) process.kill(this.#child.pid, 'SIGHUP');
  }

  async start() {
    assert.ok(!this.running, 'PostgreSQL runs already');
    const log = openSync(this.logFile, 'a');
    // It ends with this process, even when that is killed.
    const child = spawn('setpriv', [...become, '--pdeathsig', 'QUIT', program('postgres'), '-D', this.data], {
      cwd: '/', env: environment, stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#child = child;
    child.ended = new Promise((done) => {
      child.on('error', () => { child.over = true; done(); });
      child.on('exit', () => { child.over = true; done(); });
    });
    child.unref();
    await waitFor(() => {
      if (child.over) throw new Error(`PostgreSQL ended:\n${this.log(3000)}`);
      const state = this.#pidFile();
      return Number(state[0]) === child.pid && /^(ready|standby)/.test(state[7] ?? '');
    }, { timeout: 60000, message: () => `PostgreSQL did not become ready:\n${this.log(3000)}` });
    return this;
  }

  get running() { return this.#child !== undefined && !this.#child.over; }
  get pid() { return this.#child?.pid; }

  // The lines of postmaster.pid: the first is the process, the seventh names its shared memory, the eighth its state.
  #pidFile() {
    try { return readFileSync(join(this.data, 'postmaster.pid'), 'latin1').split('\n'); } catch { return []; }
  }

  // What is under way is rolled back, and all data is written; the data stays for a restart().
  async stop() {
    if (!this.running) return;
    process.kill(this.#child.pid, 'SIGINT');
    await this.#gone();
  }

  // kill -9 of the server and of all processes that it has, at once: as if the machine had lost its power, but for the disk.
  async kill9() {
    const all = this.#processes();
    for (const pid of all) {
      try { process.kill(pid, 'SIGKILL'); } catch { /* ended just now */ }
    }
    await this.#gone();
    await waitFor(() => !all.some(alive));
  }

  async restart() {
    await this.stop();
    return this.start();
  }

  // The server's process is held first, so that it makes no new ones while the others are looked for.
  #processes() {
    const parent = this.#child.pid;
    process.kill(parent, 'SIGSTOP');
    const children = readdirSync('/proc').filter((name) => {
      if (!/^\d+$/.test(name)) return false;
      try { return Number(readFileSync(`/proc/${name}/stat`, 'latin1').split(') ')[1].split(' ')[1]) === parent; } catch { return false; }
    });
    return [...children.map(Number), parent];
  }

  #gone() {
    return waitFor(() => this.#child.over, { timeout: 60000, message: () => `PostgreSQL does not end:\n${this.log(3000)}` });
  }

  // Ends it without ceremony and removes the data; not async, so that it works while this process ends.
  remove() {
    servers.delete(this);
    if (this.running) {
      const end = Date.now() + 10000, pause = new Int32Array(new SharedArrayBuffer(4));
      process.kill(this.#child.pid, 'SIGQUIT');
      while (alive(this.#child.pid) && Date.now() < end) Atomics.wait(pause, 0, 0, 5);
      try { process.kill(this.#child.pid, 'SIGKILL'); } catch { /* ended as asked */ }
    }
    // One that was killed leaves its piece of shared memory to whoever starts on this folder next: nobody will.
    const memory = this.#pidFile()[6]?.trim().split(/\s+/)[1];
    if (memory) spawnSync('ipcrm', ['-m', memory]);
    if (process.env.TEST_KEEP) return;
    try { rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 }); } catch { /* a process was still writing */ }
  }

  log(last = Infinity) {
    try { return readFileSync(this.logFile, 'utf8').slice(-last); } catch { return ''; }
  }
}

function removeAll() {
  for (const server of [...servers]) server.remove();
}

// Starts a server on a fresh folder. Options: settings (of postgresql.conf), port.
export async function startPostgres({ settings = {}, port } = {}) {
  const password = randomBytes(12).toString('hex');
  const server = new Server(newFolder(), port ?? await freePort(), password, settings);
  const secret = join(server.folder, 'password');
  writeFileSync(secret, password);
  await asServer('initdb', ['-D', server.data, '-U', 'postgres', `--pwfile=${secret}`, '-A', 'scram-sha-256', '-E', 'UTF8', '--no-locale',
    '--no-sync', '--no-instructions', '--wal-segsize=4']);
  writeFileSync(join(server.data, 'postgresql.conf'), "include 'test.conf'\n", { flag: 'a' });
  server.configure();
  await server.start();
  await server.sql(`CREATE ROLE florin LOGIN PASSWORD ${quoted(password)}`);
  return server;
}

// --- a pair ---

const SYNCHRONOUS = { synchronous_standby_names: 'ANY 1 (*)' };

class Pair {
  constructor(primary, standbyPort) {
    this.primary = primary;
    this.standbyPort = standbyPort;
    this.ports = [primary.port, standbyPort];
    this.standby = undefined;
  }

  // A database on both, under the URL that names both: whoever connects looks which one takes writes.
  async createDatabase(name) {
    const url = new URL(await this.primary.createDatabase(name));
    return url.href.replace(url.host, this.ports.map((port) => `127.0.0.1:${port}`).join(','));
  }

  sql(text, options) { return this.primary.sql(text, options); }

  // The standby listens no more: commits wait for it, and what was sent to it is still under way when the primary dies. The result
  // lets it go on.
  async hold() {
    const receiver = Number(await this.standby.sql('SELECT pid FROM pg_stat_wal_receiver'));
    process.kill(receiver, 'SIGSTOP');
    return () => process.kill(receiver, 'SIGCONT');
  }

  // The primary dies, with all connections, and is never started again.
  async fence() {
    this.fenced = this.primary;
    await this.primary.kill9();
  }

  // The standby becomes the primary. It waits for no standby of its own before rebuild() gave it one.
  async promote() {
    await this.standby.sql('SELECT pg_promote(true, 60)', { timeout: 90000 });
    this.primary = this.standby;
    this.standby = undefined;
    this.standbyPort = this.fenced.port;
    return this.primary;
  }

  // A new standby from the primary, in the place of the one that is gone. When this returns, every commit that was ever acknowledged
  // is on both, and every later one will be before it is.
  async rebuild() {
    this.fenced?.remove();
    const { primary } = this;
    const standby = new Server(newFolder(), this.standbyPort, primary.password, {});
    const from = `host=127.0.0.1 port=${primary.port} user=postgres password=${primary.password}`;
    await asServer('pg_basebackup', ['-D', standby.data, '-d', from, '--checkpoint=fast', '--wal-method=stream', '--no-sync', '--no-manifest']);
    writeFileSync(join(standby.data, 'standby.signal'), '');
    standby.configure({ primary_conninfo: `${from} application_name=standby` });
    await standby.start();
    const attached = (test) => waitFor(() => primary.sql(`SELECT 1 FROM pg_stat_replication WHERE ${test}`), { timeout: 60000,
      message: () => `the standby does not follow:\n${standby.log(3000)}` });
    await attached("state = 'streaming'");
    primary.configure(SYNCHRONOUS);
    await attached("sync_state = 'quorum'");
    // Commits begin to wait when the checkpointer has read the setting. It may be in a checkpoint when it is told; before the second
    // checkpoint that is asked for after that, it has.
    await primary.sql('CHECKPOINT; CHECKPOINT;', { timeout: 120000 });
    const written = await primary.sql('SELECT pg_current_wal_insert_lsn()');
    await attached(`flush_lsn >= '${written}'`);
    this.standby = standby;
    return standby;
  }

  remove() {
    for (const server of [this.fenced, this.standby, this.primary]) server?.remove();
  }
}

export async function startPair({ settings } = {}) {
  const primary = await startPostgres({ settings });
  const pair = new Pair(primary, await freePort());
  await pair.rebuild();
  return pair;
}

// --- the store of a test ---

let stage;
const used = [];

// At the end of this process its databases go, so that a long stage does not fill the disk.
function dropUsed() {
  if (process.env.TEST_KEEP) return;
  const drops = used.map((name) => `DROP DATABASE IF EXISTS ${name} WITH (FORCE);\n`).join('');
  spawnSync(program('psql'), psqlArguments(process.env.TEST_POSTGRES), { input: drops, env: environment, timeout: 60000 * SLOW });
}

export async function testServer() {
  stage ??= process.env.TEST_POSTGRES ? connectPostgres(process.env.TEST_POSTGRES) : startPostgres();
  return stage;
}

// The URL of a fresh database; it goes with this process.
export async function testDatabase() {
  const url = await (await testServer()).createDatabase();
  if (process.env.TEST_POSTGRES && used.push(new URL(url).pathname.slice(1)) === 1) atExit(dropUsed);
  return url;
}
