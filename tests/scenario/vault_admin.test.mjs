// The operators' side of the vault: the real role under the real parent (build/tests/vault-alone runs nothing else), driven by
// `florin vault …`: key sources, custodians, rotation with kills, backup and restore, the record.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { FLORIN, newFolder, waitFor } from '../lib/florin.mjs';
import { alive, atExit, runProcess } from '../lib/process.mjs';

const PROGRAM = join(dirname(FLORIN), 'tests/vault-alone');
const running = new Set();
atExit(() => { for (const child of running) { try { process.kill(child.pid, 'SIGKILL'); } catch { /* gone */ } } });
after(() => { for (const child of running) child.kill('SIGKILL'); });

class Vault {
  constructor(args = [], env = {}) {
    this.folder = newFolder();
    this.dir = join(this.folder, 'data-vault');
    this.ready = join(this.folder, 'ready.json');
    this.args = args;
    this.env = { ...process.env, ...env };
  }

  run(words, { input = '', args = this.args } = {}) {
    return runProcess(PROGRAM, ['vault', ...words, '--data', join(this.folder, 'data'), ...args], { input, env: this.env });
  }

  // A command that must succeed: its JSON.
  async ok(words, options) {
    const got = await this.run([...words, '--json'], options);
    assert.equal(got.code, 0, `${words.join(' ')}: ${got.stderr}`);
    return got.stdout.trim() ? JSON.parse(got.stdout) : undefined;
  }

  // One that must fail with status 1: its sentence.
  async fails(words, options) {
    const got = await this.run(words, options);
    assert.equal(got.code, 1, `${words.join(' ')}: ${got.stdout}${got.stderr}`);
    assert.match(got.stderr, /^florin: ./m);
    return got.stderr;
  }

  async start({ stdio = [] } = {}) {
    rmSync(this.ready, { force: true });
    const log = openSync(join(this.folder, 'log'), 'a');
    this.child = spawn(PROGRAM, ['alone', '--data', join(this.folder, 'data'), '--ready-file', this.ready, ...this.args],
      { stdio: ['ignore', log, log, ...stdio], env: this.env });
    running.add(this.child);
    this.child.ended = new Promise((done) => this.child.on('exit', (code) => { running.delete(this.child); done(code); }));
    await waitFor(() => this.pid, { message: () => this.log() });
    return this;
  }

  get pid() {
    try { return JSON.parse(readFileSync(this.ready, 'utf8')).processes.vault; } catch { return undefined; }
  }

  log() { return readFileSync(join(this.folder, 'log'), 'utf8'); }

  async kill() {
    const before = this.pid;
    process.kill(before, 'SIGKILL');
    await waitFor(() => this.pid !== before && alive(this.pid), { message: () => this.log() });
  }

  async stop() {
    const { pid } = this;
    this.child.kill('SIGTERM');
    assert.equal(await this.child.ended, 0, this.log());
    await waitFor(() => !alive(pid));
  }

  // Of a vault that does not run: seals cards of merchants 2, 3 and 4; opens all.
  async cards(...words) {
    const got = await runProcess(PROGRAM, [...words.map(String), '--data', join(this.folder, 'data'), ...this.args], { env: this.env });
    assert.equal(got.code, 0, got.stderr);
    return Number(got.stdout);
  }

  state() { return this.ok(['status']).then((s) => s.state); }
}

const sharesOf = (got) => got.stdout.trim().split('\n');

async function initShares(vault, n, k) {
  const got = await vault.run(['init', '--shares', String(n), '--threshold', String(k)]);
  assert.equal(got.code, 0, got.stderr);
  const shares = sharesOf(got);
  assert.equal(shares.length, n);
  for (const share of shares) assert.match(share, /^florin-share-1-[0-9a-z-]+$/);
  return shares;
}

test('a key file: made by init, rotated, the role killed in between', async () => {
  const vault = new Vault();
  await vault.ok(['init']);
  assert.match(await vault.fails(['init']), /there is a vault already/);
  assert.match(await vault.fails(['status']), /does not run/);
  await vault.start();
  assert.equal(await vault.state(), 'open');
  const first = readFileSync(join(vault.dir, 'master.key'), 'utf8');
  writeFileSync(join(vault.dir, 'master.key.1'), `${'ab'.repeat(32)}\n`, { mode: 0o600 }); // left by another vault
  assert.match(await vault.fails(['rotate-master']), /move it away/);
  assert.equal(readFileSync(join(vault.dir, 'master.key'), 'utf8'), first, 'the key that backups need is not lost');
  rmSync(join(vault.dir, 'master.key.1'));
  assert.equal((await vault.ok(['rotate-master'])).version, 2);
  assert.equal(readFileSync(join(vault.dir, 'master.key.1'), 'utf8'), first);
  assert.notEqual(readFileSync(join(vault.dir, 'master.key'), 'utf8'), first);
  await vault.kill();
  assert.equal(await vault.state(), 'open', 'the parent has the new key');
  await vault.stop();
  await vault.start();
  assert.equal(await vault.state(), 'open', 'and so has the file');
  await vault.stop();
  for (const name of readdirSync(vault.dir)) {
    if (name !== 'permit.pub') assert.equal(statSync(join(vault.dir, name)).mode & 0o077, 0, name);
  }
});

test('a rotation whose command is killed at any moment is taken up again', async () => {
  const vault = new Vault();
  await vault.ok(['init']);
  await vault.start();
  for (let round = 0, pause = 0; round < 12; round++, pause += 3) {
    const child = spawn(PROGRAM, ['vault', 'rotate-master', '--data', join(vault.folder, 'data')], { stdio: 'ignore', env: vault.env });
    const over = new Promise((done) => child.on('exit', done));
    await new Promise((done) => setTimeout(done, pause));
    child.kill('SIGKILL');
    await over;
    if (round % 3 === 1) await vault.kill();
    if (round % 3 === 2) { await vault.stop(); await vault.start(); }
    assert.equal(await vault.state(), 'open', vault.log());
  }
  await vault.ok(['rotate-master']);
  assert.ok(!existsSync(join(vault.dir, 'master.key.new')));
  await vault.stop();
  await vault.start();
  assert.equal(await vault.state(), 'open');
  await vault.stop();
});

test('merchants\' keys and the master key rotated with kills of the role: every card opens', async () => {
  const vault = new Vault();
  await vault.ok(['init']);
  await vault.cards('fill', 1500);
  await vault.start();
  for (let round = 0; round < 4; round++) {
    assert.equal((await vault.ok(['rotate-merchant', '--merchant', round % 2 ? 'all' : '3'])).merchants, round % 2 ? 3 : 1);
    const over = round > 1 ? vault.run(['rotate-master']) : undefined;
    for (let kills = 0; kills < 2; kills++) {
      await new Promise((done) => setTimeout(done, 5 * round)); // anywhere in the work
      await vault.kill();
    }
    await over;
  }
  await vault.ok(['rotate-master']);
  await waitFor(async () => {
    const status = await vault.ok(['status']);
    return status.state === 'open' && status.rotation === null && status.merchant_keys_retiring === 0;
  });
  await vault.stop();
  assert.equal(await vault.cards('open'), 1500);
});

test('custodians: any three of five open it, fewer and others do not; the role alone needs none', async () => {
  const vault = new Vault(['--vault-key', 'shares']), other = new Vault(['--vault-key', 'shares']);
  const shares = await initShares(vault, 5, 3), foreign = await initShares(other, 3, 3);
  await vault.start();
  assert.equal(await vault.state(), 'sealed');
  assert.match(await vault.fails(['identity']), /sealed/);
  for (const share of foreign.slice(0, 2)) await vault.ok(['unseal'], { input: share });
  assert.match(await vault.fails(['unseal'], { input: foreign[2] }), /do not make this vault's master key/);
  await vault.ok(['unseal'], { input: `${shares[4]}\n` });
  assert.match(await vault.fails(['unseal'], { input: shares[4] }), /given already/);
  assert.match(await vault.fails(['unseal'], { input: `${shares[1].slice(0, -1)}` }), /no share/);
  await vault.fails(['unseal'], { input: '' });
  assert.equal((await vault.ok(['unseal'], { input: shares[1].toUpperCase().replaceAll('-', ' ') })).given, 2);
  assert.equal(await vault.state(), 'sealed');
  const file = join(vault.folder, 'share');
  writeFileSync(file, shares[2]);
  assert.equal((await vault.ok(['unseal', '--from', file])).state, 'open');
  await vault.kill();
  await waitFor(async () => await vault.state() === 'open');

  // a new set: nothing changes before three of them have shown theirs
  const made = await vault.run(['rotate-master', '--shares', '3', '--threshold', '2']);
  assert.equal(made.code, 0, made.stderr);
  const fresh = sharesOf(made);
  // without the setting no key is put on the disk instead
  const bare = await runProcess(PROGRAM, ['vault', 'rotate-master', '--data', join(vault.folder, 'data')], { env: vault.env });
  assert.equal(bare.code, 1);
  assert.match(bare.stderr, /comes from shares: say where/);
  assert.equal((await vault.ok(['status'])).master_keys[0].version, 1);
  assert.equal((await vault.ok(['rotate-master'], { input: fresh[0] })).given, 1);
  assert.equal((await vault.ok(['rotate-master'], { input: fresh[2] })).version, 2);
  await waitFor(async () => (await vault.ok(['status'])).rotation === null);
  await vault.stop();
  await vault.start();
  assert.equal(await vault.state(), 'sealed');
  for (const share of shares.slice(0, 2)) await vault.ok(['unseal'], { input: share });
  assert.match(await vault.fails(['unseal'], { input: shares[2] }), /retired/);
  for (const share of fresh.slice(1)) await vault.ok(['unseal'], { input: share });
  assert.equal(await vault.state(), 'open');
  await vault.stop();
  for (const share of [...shares, ...fresh]) assert.ok(!vault.log().includes(share.slice(15, 40)));
});

test('a descriptor: read once at the start', async () => {
  const vault = new Vault(['--vault-key', 'fd', '--vault-key-fd', '3']);
  const file = join(vault.folder, 'key');
  writeFileSync(file, `${'5a'.repeat(32)}\n`);
  const made = await runProcess('/bin/sh', ['-c', 'exec "$0" vault init --data "$1" --vault-key fd --vault-key-fd 3 3<"$2"',
    PROGRAM, join(vault.folder, 'data'), file], { env: vault.env });
  assert.equal(made.code, 0, made.stderr);
  await vault.start({ stdio: [openSync(file, 'r')] });
  assert.equal(await vault.state(), 'open');
  await vault.kill();
  await waitFor(async () => await vault.state() === 'open');
  assert.equal((await vault.ok(['rotate-master'], { input: `${'6b'.repeat(32)}\n` })).version, 2);
  await vault.stop();
  await vault.start({ stdio: [openSync(file, 'r')] });
  assert.equal(await vault.state(), 'sealed', 'the key of before has retired');
  await vault.stop();
});

const SOFTHSM = '/usr/lib/softhsm/libsofthsm2.so';
test('a PKCS#11 token: wraps the key, unwraps it at each start', { skip: !existsSync(SOFTHSM) && 'SoftHSM is not there' }, async () => {
  const tokens = newFolder(), conf = join(tokens, 'softhsm2.conf'), pin = join(tokens, 'pin');
  mkdirSync(join(tokens, 'tokens'));
  writeFileSync(conf, `directories.tokendir = ${join(tokens, 'tokens')}\n`);
  writeFileSync(pin, '4321\n', { mode: 0o600 });
  const env = { SOFTHSM2_CONF: conf };
  const made = await runProcess('softhsm2-util', ['--init-token', '--free', '--label', 'florin', '--pin', '4321', '--so-pin', '8765'],
    { env: { ...process.env, ...env } });
  assert.equal(made.code, 0, made.stderr);
  const settings = ['--vault-key', 'pkcs11', '--vault-pkcs11-module', SOFTHSM, '--vault-pkcs11-token', 'florin', '--vault-pkcs11-pin-file', pin];
  const vault = new Vault(settings, env);
  await vault.ok(['init']);
  await vault.start();
  const status = await vault.ok(['status']);
  assert.equal(status.state, 'open');
  assert.equal(status.master_keys[0].source, 'pkcs11');
  assert.ok(!readFileSync(`/proc/${vault.child.pid}/maps`, 'utf8').includes('softhsm'), 'the parent never loads the library');
  await vault.kill();
  await waitFor(async () => await vault.state() === 'open');
  assert.equal((await vault.ok(['rotate-master'])).version, 2);
  const copy = join(vault.folder, 'copy.db');
  await vault.ok(['backup', '--out', copy]);
  await vault.stop();
  assert.equal((await vault.ok(['restore', '--from', copy, '--replace'])).opens, true);
  await vault.start();
  assert.equal(await vault.state(), 'open');
  await vault.stop();
  writeFileSync(pin, 'no-such-pin\n');
  const log = await runProcess(PROGRAM, ['alone', '--data', join(vault.folder, 'data'), '--ready-file', vault.ready, ...settings], { env: vault.env });
  assert.equal(log.code, 1);
  assert.match(log.stderr, /PIN is wrong/);
  assert.ok(!log.stderr.includes('no-such-pin'));
});

test('backup and restore: of a running vault, into one that is stopped, tried before it takes its place', async () => {
  const vault = new Vault();
  await vault.ok(['init']);
  await vault.start();
  const { identity } = await vault.ok(['identity']);
  const copy = join(vault.folder, 'copy.db');
  assert.ok((await vault.ok(['backup', '--out', copy])).bytes > 4096);
  assert.equal(statSync(copy).mode & 0o777, 0o600);
  const running = statSync(join(vault.dir, 'vault.db')).ino;
  assert.match(await vault.fails(['backup', '--out', join(vault.dir, 'vault.db')]), /own folder/);
  assert.match(await vault.fails(['export', '--merchant', '2', '--to-key', identity, '--out', join(vault.dir, 'vault.db')]), /own folder/);
  assert.equal(statSync(join(vault.dir, 'vault.db')).ino, running, 'the file that is in use is still there');
  assert.ok(!readdirSync(vault.dir).some((name) => name.startsWith('backup')));
  assert.match(await vault.fails(['restore', '--from', copy, '--replace']), /in use/);
  await vault.stop();
  assert.match(await vault.fails(['restore', '--from', copy]), /--replace/);
  const spoiled = join(vault.folder, 'spoiled.db');
  writeFileSync(spoiled, readFileSync(copy).subarray(0, 9000));
  const before = readFileSync(join(vault.dir, 'vault.db'));
  assert.match(await vault.fails(['restore', '--from', spoiled, '--replace']), /damaged/);
  const flipped = readFileSync(copy);
  flipped.fill(0xff, 4096 * 2 + 4, 4096 * 2 + 12); // within the head of a page
  writeFileSync(spoiled, flipped);
  assert.match(await vault.fails(['restore', '--from', spoiled, '--replace']), /damaged/);
  assert.deepEqual(readFileSync(join(vault.dir, 'vault.db')), before, 'nothing was touched');
  rmSync(join(vault.dir, 'vault.db'));
  assert.equal((await vault.ok(['restore', '--from', copy])).opens, true);
  await vault.start();
  assert.equal((await vault.ok(['identity'])).identity, identity);
  await vault.stop();

  const other = new Vault();
  await other.ok(['init']);
  assert.match(await other.fails(['restore', '--from', copy, '--replace']), /not this vault's/);
});

test('the record: every command with its user, a chain that is verified', async () => {
  const vault = new Vault();
  await vault.ok(['init']);
  await vault.start();
  await vault.ok(['status']);
  await vault.fails(['delete', 'pm_0000000000000000000000000A', '--merchant', '2']);
  await vault.fails(['rotate-merchant', '--merchant', '2']);
  await vault.ok(['rotate-merchant', '--merchant', 'all']);
  const record = await vault.ok(['audit']);
  assert.equal(record.verified, true);
  assert.equal(record.rows, record.data.length);
  const uid = process.getuid();
  for (const command of ['status', 'delete', 'rotate_merchant', 'audit'])
    assert.ok(record.data.some((row) => row.action === 'asked' && row.detail === `${command} by uid ${uid}`), command);
  assert.ok(record.data.some((row) => row.action === 'refused' && row.detail === `delete by uid ${uid}`));
  await vault.ok(['audit', '--expect-head', record.head]);
  const longer = await vault.run(['audit', '--expect-head', '0'.repeat(64)]);
  assert.equal(longer.code, 1);
  assert.equal((await vault.run(['nonsense'])).code, 2);
  await vault.stop();
});

test('an export is for one vault alone, and whole or refused', async () => {
  const from = new Vault(), to = new Vault();
  for (const vault of [from, to]) await vault.ok(['init']);
  await from.cards('fill', 900);
  for (const vault of [from, to]) await vault.start();
  const { identity } = await to.ok(['identity']);
  const sender = (await from.ok(['identity'])).identity;
  const file = join(from.folder, 'cards');
  const out = ['export', '--merchant', '2', '--to-key', identity, '--out', file];
  const take = ['import', '--from', file, '--from-key', sender];
  for (const low of ['0'.repeat(64), `01${'0'.repeat(62)}`]) {
    assert.match(await from.fails(out.with(4, low)), /--to-key is no vault's/);
    assert.match(await to.fails(take.with(4, low)), /--from-key is no vault's/);
  }
  assert.match(await from.fails(out.with(4, 'abc')), /--to-key takes the 64 hex digits/);
  assert.equal((await from.ok(out)).cards, 300);
  const whole = readFileSync(file);
  assert.ok(!whole.includes('4242424242424242'));
  const refused = async (bytes, why, key = sender) => {
    writeFileSync(file, bytes);
    assert.match(await to.fails(take.with(4, key)), why);
  };
  const head = 'florin-vault-export-2\n'.length + 16;
  const first = 8 + Number(whole.readBigUInt64BE(head)), second = head + first;
  await refused(whole, /not made by the vault whose key/, identity);
  await refused(whole.subarray(0, -1), /ends too soon; nothing was taken/);
  await refused(Buffer.concat([whole, Buffer.from('x')]), /follows the end/);
  await refused(Buffer.concat([whole.subarray(0, head), whole.subarray(second)]), /piece of the export is missing/);
  for (const at of [head - 1, 200, second + 200, whole.length - 1]) {
    const changed = Buffer.from(whole);
    changed[at] ^= 1;
    await refused(changed, /was changed|piece of the export/);
  }
  await refused('something else altogether', /no export/);
  writeFileSync(file, whole);
  assert.match(await to.fails(['import', '--from', file]), /say --from FILE and --from-key/);
  assert.match(await from.fails(take), /not made for this vault/);
  assert.equal((await to.ok(take)).cards, 300, 'nothing of what was refused had been taken');
  assert.equal((await to.ok(take)).cards, 0);

  const record = await from.ok(['audit']);
  const card = record.data.find((row) => row.action === 'sealed' && row.merchant === 2).card;
  assert.match(await from.fails(['delete', card, '--merchant', '3']), /no such card/);
  await from.ok(['delete', card.replace('pm_', 'pm_tok_'), '--merchant', '2']);
  assert.match(await from.fails(['delete', card, '--merchant', '2']), /no such card/);
  for (const vault of [from, to]) await vault.stop();
  assert.equal(await from.cards('open'), 899);
  assert.equal(await to.cards('open'), 300);
});

test('help is of the command alone', async () => {
  const vault = new Vault();
  const settings = /card_requests_per_second|store_readers/;
  const one = (await vault.run(['import', '--help']));
  assert.equal(one.code, 0);
  assert.match(one.stdout, /^Usage: florin vault import .*--from FILE --from-key HEX/);
  assert.doesNotMatch(one.stdout, /--to-key/);
  const all = await vault.run(['--help']);
  assert.match(all.stdout, /rotate-master/);
  for (const { stdout } of [one, all]) assert.doesNotMatch(stdout, settings);
});
