// What the roles get from whoever started Florin: neither its open files nor the settings in its environment.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync, closeSync, linkSync, lstatSync, mkdirSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FLORIN, FREE_PORTS, asArgs, newFolder } from '../lib/florin.mjs';
import { alive, runProcess } from '../lib/process.mjs';
import { newCard, newClientToken, postCard } from '../lib/vault_cards.mjs';
import { assertProblem, pay, start, waitFor } from './support.mjs';

const SOMEBODYS = { AWS_SECRET_ACCESS_KEY: 'of somebody else', HTTPS_PROXY: 'http://127.0.0.1:1', LANGUAGE: 'de', LC_TIME: 'C', PGAPPNAME: 'florin' };
const PASSED = /^(PATH|HOME|LANG|LC_.+|TZ|TMPDIR|SSL_CERT_(FILE|DIR)|MALLOC_.+|[ATUL]+SAN_OPTIONS|GCOV_.+|LLVM_PROFILE_FILE)$/;

async function startWith(fd, folder) {
  const ready = join(folder, 'ready.json');
  const child = spawn(FLORIN, ['up', '--data', join(folder, 'data'), '--ready-file', ready, ...FREE_PORTS], { stdio: ['ignore', 'ignore', 'ignore', 'ignore', fd], env: { ...process.env, FLORIN_LOG_LEVEL: 'error', ...SOMEBODYS, SSLKEYLOGFILE: join(folder, 'keys') } });
  const ended = new Promise((done) => { child.on('exit', done); });
  const { processes } = await waitFor(() => { try { return JSON.parse(readFileSync(ready, 'utf8')); } catch { return undefined; } }, { timeout: 30000 });
  return { processes, stop: () => { child.kill('SIGTERM'); return ended; } };
}

test('no role has a file that was open when Florin was started, or more of its environment than it needs', async (t) => {
  if (process.getuid() !== 0) return t.skip('the roles can be looked into by root alone');
  const folder = newFolder(), secret = join(folder, 'secret');
  writeFileSync(secret, 'of somebody else');
  const fd = openSync(secret, 'r');
  const florin = await startWith(fd, folder);
  closeSync(fd);
  try {
    for (const [role, pid] of Object.entries(florin.processes)) {
      const open = readdirSync(`/proc/${pid}/fd`).map((n) => { try { return readlinkSync(`/proc/${pid}/fd/${n}`); } catch { return ''; } });
      assert.ok(open.length > 3, `${role} has files of its own`);
      assert.ok(!open.includes(secret), `${role} has ${secret}`);
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').filter(Boolean).map((line) => line.split('=')[0]);
      const database = environment.filter((name) => name.startsWith('PG'));
      assert.equal(database.includes('PGAPPNAME'), role === 'api', `${role}: ${database}`);
      assert.ok(environment.includes('PATH') && environment.includes('LC_TIME'), `${role}: ${environment}`);
      assert.deepEqual(environment.filter((name) => !database.includes(name) && !PASSED.test(name)), [], role);
      if (role !== 'api') assert.deepEqual(database, [], role);
    }
  } finally {
    assert.equal(await florin.stop(), 0);
  }
});

test('roles that share a user are not kept apart: Florin says so, and does not start when it must be', async (t) => {
  if (process.getuid() !== 0) return t.skip('only root can give users');
  const attempt = async (users, confinement) => {
    const folder = newFolder();
    chmodSync(folder, 0o755);
    const got = await runProcess(FLORIN, ['up', '--data', join(folder, 'data'), ...FREE_PORTS,
      '--confinement', confinement, ...['api', 'card', 'vault'].flatMap((role, i) => [`--${role}-user`, users[i]])], { timeout: 30000 });
    return got.stderr + got.stdout;
  };
  assert.match(await attempt(['64911', '64912', '64911'], 'required'), /role setup cannot be confined: It shares its user with another role, or with root/);
  assert.match(await attempt(['64911', '64912', '64913'], 'require'), /confinement is one of required, best, off/);
  assert.match(await attempt(['root', '64912', '64913'], 'required'), /role setup cannot be confined: It shares its user with another role, or with root/);
});

test('serve makes no vault in the place of one that is not there', async () => {
  const folder = newFolder(), data = join(folder, 'data'), key = join(folder, 'key');
  const florin = (...words) => runProcess(FLORIN, [...words, '--data', data, '--vault-key-file', key]);
  for (const words of [['migrate'], ['vault', 'init']]) assert.equal((await florin(...words)).code, 0);
  rmSync(join(folder, 'data-vault', 'vault.db')); // as if its disk had not been mounted
  const got = await florin('serve', '--confinement', 'best', ...FREE_PORTS);
  assert.notEqual(got.code, 0);
  assert.match(got.stderr, /there is no vault at .*vault\.db/);
});

// What a role leaves in its folder could lead root astray at the next start.
test('the data folder is given to its user, and nothing that a link in it leads to', async (t) => {
  if (process.getuid() !== 0) return t.skip('only root can give users');
  const folder = newFolder(), dataDir = join(folder, 'data'), user = 64911, of = (...name) => lstatSync(join(folder, ...name)).uid;
  chmodSync(folder, 0o755);
  mkdirSync(join(dataDir, 'deep', 'er'), { recursive: true });
  mkdirSync(join(folder, 'other'));
  for (const name of ['other/file', 'other/twice', 'data/plain', 'data/deep/er/file']) writeFileSync(join(folder, name), 'of somebody');
  symlinkSync(join(folder, 'other', 'file'), join(dataDir, 'link'));
  symlinkSync(join(folder, 'other'), join(dataDir, 'deep', 'folder'));
  linkSync(join(folder, 'other', 'twice'), join(dataDir, 'hard'));
  const users = { 'api-user': user, 'card-user': user + 1, 'vault-user': user + 2 };
  const florin = await start({ dataDir, settings: users });
  t.after(() => florin.running && florin.kill9());
  for (const name of ['.', 'plain', 'deep', 'deep/er', 'deep/er/file', 'link', 'deep/folder']) assert.equal(of('data', name), user, name);
  for (const name of ['other', 'other/file', 'other/twice', 'data/hard']) assert.equal(of(name), 0, name);
  assert.deepEqual(florin.logLines().filter((line) => line.event === 'parent.not_given').map((line) => line.name), ['hard']);
  await florin.stop();
  symlinkSync(dataDir, join(folder, 'instead'));
  const got = await runProcess(FLORIN, ['up', '--data', join(folder, 'instead'), ...asArgs(users)]);
  assert.match(got.stderr, /instead is a link: name the folder that it leads to/);
});

// The vault dies as fast as it comes back: more often than a role that cannot be spared may.
test('without its vault a node pays by tokens, and by cards when the vault lives again', async (t) => {
  const florin = await start();
  t.after(() => florin.running && florin.kill9());
  const card = { payment_method_token: (await newCard(florin, '4242424242424242')).payment_method_token, capture: true };
  const { client_token: browser } = (await newClientToken(florin)).json;
  const others = () => [florin.processes.api, florin.processes.sandbox]; // card may find that it is alone
  const before = others();
  const pauses = () => florin.logLines().filter((line) => line.event === 'parent.role_paused').map((line) => [line.role, line.pause_ms]);
  let over = false, paid = 0;
  const paying = (async () => { for (; !over; paid++) await pay(florin); })();
  paying.catch(() => {}); // told of below
  try {
    for (let deaths = 1; deaths <= 22; deaths++) {
      await florin.kill9(florin.processes.vault);
      if (deaths < 22) await florin.ready();
    }
    await waitFor(() => pauses().length === 2);
    assert.deepEqual(pauses(), [['role-vault', 2000], ['role-vault', 4000]], 'the pause grows');
    assertProblem(await postCard(florin, browser, { number: '4242424242424242' }), 503, 'unavailable');
    const until = paid;
    await waitFor(() => paid > until);
    assert.ok(!alive(florin.processes.vault), 'it is away still');
    await florin.ready();
  } finally {
    over = true;
  }
  await paying;
  assert.equal((await pay(florin, card)).status, 'captured');
  assert.equal((await postCard(florin, browser, { number: '4242424242424242' })).status, 201);
  assert.deepEqual(others(), before, 'nobody else died of it');
  await florin.stop();
});
