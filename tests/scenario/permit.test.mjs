// `florin permit`: an operator lets an account's requests with cards go to a host. The signature is checked with Node's own Ed25519.
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, randomBytes, verify } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { FLORIN, newFolder, waitFor } from '../lib/florin.mjs';
import { runProcess } from '../lib/process.mjs';
import { start } from './support.mjs';

let florin, account, publicKey;
const seed = randomBytes(32), key = join(newFolder(), 'permit.key');

before(async () => {
  writeFileSync(key, `${seed.toString('hex')}\n`, { mode: 0o600 });
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  publicKey = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
  florin = await start();
  account = (await florin.get('/v1/provider_accounts')).json.data[0].id;
});
after(() => florin.stop());

const permit = (...words) => runProcess(FLORIN, ['permit', ...words, ...florin.place]);

async function sign(host, ...more) {
  const got = await permit('sign', '--key', key, '--host', host, ...more);
  assert.equal(got.code, 0, got.stderr);
  return got.stdout.trim();
}

function assertSigned(line, claim) {
  const at = line.lastIndexOf(' ');
  assert.match(line.slice(0, at), claim);
  assert.ok(verify(null, Buffer.from(line.slice(0, at)), publicKey, Buffer.from(line.slice(at + 1), 'base64')), line);
}

const shownPermits = async () => JSON.parse((await permit('show', '--account', account, '--json')).stdout).permits;
const list = () => readFileSync(`${florin.dataDir}-vault/permit.revoked`, 'utf8');
const logged = (event, n = 1) => waitFor(() => florin.logLines().filter((e) => e.event === event).length >= n, { message: () => `no ${event}` });

test('a permit names merchant and origin, is signed, and each is another', async () => {
  const line = await sign('https://API.example.com/v1/charges?x=1', '--account', account);
  assertSigned(line, /^florin-permit-1 [0-9]+ https:\/\/api\.example\.com:443 serial=[0-9a-f]{16}$/);
  assert.notEqual(await sign('https://api.example.com', '--account', account), line);
  const other = await sign('http://127.0.0.1:9', '--account', account);
  const shown = await permit('show', '--account', account, '--json');
  assert.equal(shown.code, 0, shown.stderr);
  const lines = JSON.parse(shown.stdout).permit.trim().split('\n');
  assert.deepEqual(lines.filter((one) => one === line || one === other), [line, other]);
});

test('a last day and members are signed too, and shown', async () => {
  const line = await sign('https://terms.example', '--account', account, '--until', '2999-11-30', '--member', 'card.number', '--member=card[cvc]');
  assertSigned(line, /^florin-permit-1 [0-9]+ https:\/\/terms\.example:443 until=2999-11-30 member=card\.number member=card\[cvc\] serial=[0-9a-f]{16}$/);
  const shown = await permit('show', '--account', account, '--json');
  assert.equal(shown.code, 0, shown.stderr);
  const one = JSON.parse(shown.stdout).permits.find((p) => p.host === 'https://terms.example:443');
  assert.match(one.id, /^[0-9a-f]{16}$/);
  assert.deepEqual({ until: one.until, over: one.over, members: one.members }, { until: '2999-11-30', over: false, members: ['card.number', 'card[cvc]'] });
  const text = (await permit('show', '--account', account)).stdout;
  assert.ok(text.includes(`${line}\n    until 2999-11-30\n`), text);
});

test('where the key is, the store need not be: the line alone', async () => {
  const got = await runProcess(FLORIN, ['permit', 'sign', '--key', key, '--merchant', '5', '--host', 'https://x.example:8443', '--json']);
  assert.equal(got.code, 0, got.stderr);
  assertSigned(JSON.parse(got.stdout).permit, /^florin-permit-1 5 https:\/\/x\.example:8443 serial=[0-9a-f]{16}$/);
});

test('a permit is taken back by its line, all of an account by its id, and the role card sees it', async () => {
  const line = await sign('https://back.example', '--account', account);
  const { id } = (await shownPermits()).find((p) => p.host === 'https://back.example:443');
  for (let i = 0; i < 2; i++) {
    const got = await permit('revoke', '--line', line);
    assert.equal(got.code, 0, got.stderr);
    assert.equal(got.stdout, `${id}\n`);
  }
  assert.equal(list(), `${id}\n`); // once
  await logged('permit.list');
  const ids = (await shownPermits()).map((p) => p.id);
  const got = await permit('revoke', '--account', account);
  assert.equal(got.code, 0, got.stderr);
  assert.deepEqual(got.stdout.trim().split('\n'), ids);
  assert.deepEqual(list().trim().split('\n').sort(), [...ids].sort());
  assert.deepEqual(await shownPermits(), []);
  await logged('permit.list', 2);
  await sign('https://back.example', '--account', account);
  const [again] = await shownPermits();
  assert.ok(again && !ids.includes(again.id), 'another permit for the same host');
});

test('a list that another took the place of, and one with nonsense in it, are noticed', async () => {
  const path = `${florin.dataDir}-vault/permit.revoked`;
  writeFileSync(`${path}.new`, `${list()}nonsense`);
  renameSync(`${path}.new`, path);
  await logged('permit.list_failed'); // the role comes back with the file that is there
  await logged('permit.list_bad');
  await logged('card.ready', 2);
  const line = await sign('https://more.example', '--account', account);
  assert.equal((await permit('revoke', '--line', line)).code, 0);
  assert.match(list(), /\nnonsense\n[0-9a-f]{16}\n$/);
});

test('what is none is refused, and the key is never told', async () => {
  for (const [words, code] of [
    [['sign', '--key', key, '--account', account, '--host', 'ftp://x.example'], 1],
    [['sign', '--key', key, '--account', account, '--host', 'http://x.example'], 1],
    [['sign', '--key', key, '--account', 'pac_0000000000000000000000000A', '--host', 'https://x.example'], 1],
    [['sign', '--key', key, '--account', 'nonsense', '--host', 'https://x.example'], 1],
    [['sign', '--key', '/nowhere', '--account', account, '--host', 'https://x.example'], 1],
    [['sign', '--key', key, '--account', account, '--host', 'https://x.example', '--until', '2020-02-29'], 1],
    [['sign', '--key', key, '--account', account, '--host', 'https://x.example', '--until', '2999-02-29'], 1],
    [['sign', '--key', key, '--account', account, '--host', 'https://x.example', '--until', ''], 1],
    [['sign', '--key', key, '--account', account, '--host', 'https://x.example', '--until'], 2],
    [['sign', '--key', key, '--account', account, '--host', 'https://x.example', '--member', 'a b'], 1],
    [['sign', '--key', key, '--account', account, '--host', 'https://x.example', '--member', ''], 1],
    [['sign', '--key', key, '--account', account, '--host', 'https://x.example', '--member', 'a', '--member', 'a'], 1],
    [['sign', '--key', key, '--account', account, '--host', 'https://x.example', ...[...'abcdefghi'].flatMap((name) => ['--member', name])], 1],
    [['sign', '--key', key, '--account', account], 2],
    [['revoke', '--line', 'florin-permit-1 2 https://x.example:443'], 1],
    [['revoke', '--line', ''], 1],
    [['revoke', '--account', 'nonsense'], 1],
    [['revoke', '--account', 'pac_0000000000000000000000000A'], 1],
    [['revoke', '--account', account, '--line', 'x'], 2],
    [['revoke'], 2],
    [['show'], 2],
    [['nonsense'], 2],
  ]) {
    const got = await permit(...words);
    assert.equal(got.code, code, `${words}: ${got.stdout}${got.stderr}`);
    assert.ok(got.stderr.length > 10 && !(got.stdout + got.stderr).includes(seed.toString('hex')));
  }
});
