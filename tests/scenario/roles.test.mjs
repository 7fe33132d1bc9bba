// What the roles get from whoever started Florin: neither its open files nor the settings in its environment.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, closeSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { FLORIN, newFolder, waitFor } from '../lib/florin.mjs';
import { runProcess } from '../lib/process.mjs';

async function startWith(fd, folder) {
  const ready = join(folder, 'ready.json'), address = '127.0.0.1:0';
  const child = spawn(FLORIN, ['up', '--data', join(folder, 'data'), '--ready-file', ready, '--api', address, '--public', address, '--card', address,
    '--sandbox', address], { stdio: ['ignore', 'ignore', 'ignore', 'ignore', fd], env: { ...process.env, FLORIN_LOG_LEVEL: 'error', SSLKEYLOGFILE: join(folder, 'keys') } });
  const ended = new Promise((done) => { child.on('exit', done); });
  const { processes } = await waitFor(() => { try { return JSON.parse(readFileSync(ready, 'utf8')); } catch { return undefined; } }, { timeout: 30000 });
  return { processes, stop: () => { child.kill('SIGTERM'); return ended; } };
}

test('no role has a file that was open when Florin was started, or a setting in its environment', async (t) => {
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
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
      for (const name of ['FLORIN_', 'SSLKEYLOGFILE']) assert.ok(!environment.includes(name), `${role} has ${name} in its environment`);
    }
  } finally {
    assert.equal(await florin.stop(), 0);
  }
});

test('roles that share a user are not kept apart: Florin says so, and does not start when it must be', async (t) => {
  if (process.getuid() !== 0) return t.skip('only root can give users');
  const attempt = async (users, confinement) => {
    const folder = newFolder(), address = '127.0.0.1:0';
    chmodSync(folder, 0o755);
    const got = await runProcess(FLORIN, ['up', '--data', join(folder, 'data'), '--api', address, '--public', address, '--card', address, '--sandbox', address,
      '--confinement', confinement, ...['api', 'card', 'vault'].flatMap((role, i) => [`--${role}-user`, users[i]])], { timeout: 30000 });
    return got.stderr + got.stdout;
  };
  assert.match(await attempt(['64911', '64912', '64911'], 'required'), /role setup cannot be confined: It shares its user with another role, or with root/);
  assert.match(await attempt(['root', '64912', '64913'], 'required'), /role setup cannot be confined: It shares its user with another role, or with root/);
});

test('serve makes no vault in the place of one that is not there', async () => {
  const folder = newFolder(), data = join(folder, 'data'), key = join(folder, 'key'), address = '127.0.0.1:0';
  const florin = (...words) => runProcess(FLORIN, [...words, '--data', data, '--vault-key-file', key]);
  for (const words of [['migrate'], ['vault', 'init']]) assert.equal((await florin(...words)).code, 0);
  rmSync(join(folder, 'data-vault', 'vault.db')); // as if its disk had not been mounted
  const got = await florin('serve', '--confinement', 'best', '--api', address, '--public', address, '--card', address);
  assert.notEqual(got.code, 0);
  assert.match(got.stderr, /there is no vault at .*vault\.db/);
});
