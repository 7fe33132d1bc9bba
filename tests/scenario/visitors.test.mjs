// Limits per address of the card listener and of what browsers call: who tests stolen cards needs many tries.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assertProblem, run, start, waitFor } from './support.mjs';
import { newFolder, request } from '../lib/florin.mjs';
import { value } from '../lib/metrics.mjs';

let florin;
before(async () => {
  florin = await start({ args: ['--proxies', '127.0.0.1', '--card-attempts-per-minute', '3', '--client-requests-per-minute', '4'] });
});
after(async () => { await florin?.stop(); });

const from = (address) => ({ 'X-Forwarded-For': address, Authorization: 'Bearer ct_test_none' });
const typed = (address, of = florin) => request(`${of.card}/v1/cards`, {
  method: 'POST', headers: { ...from(address), 'Content-Type': 'application/json' }, body: { number: '4242424242424242', exp_month: 12, exp_year: 2034 },
});
const look = (address, of = florin) => request(`${of.public}/client/payment`, { headers: from(address) });

function assertLimited(answer) {
  assertProblem(answer, 429, 'rate_limited');
  const wait = Number(answer.headers['retry-after']);
  assert.ok(wait >= 1 && wait <= 61, `Retry-After: ${wait}`);
}

for (const [what, ask, max] of [['cards typed', typed, 3], ['requests of browsers', look, 4]]) {
  test(`${what}: an address has so many a minute, and what it says of others does not help it`, async () => {
    for (let i = 0; i < max; i++) assert.equal((await ask('8.8.4.4')).status, 401);
    assertLimited(await ask('8.8.4.4'));
    assertLimited(await ask('1.1.1.1, 8.8.4.4'));
    assert.equal((await ask('8.8.8.8')).status, 401, 'another address is not limited');
  });

  test(`${what}: addresses of one IPv6 /64 are one`, async () => {
    for (let i = 0; i < max; i++) assert.equal((await ask(`2a00:1:2:3::${i + 1}`)).status, 401);
    assertLimited(await ask('2a00:1:2:3:4:5:6:7'));
    assert.equal((await ask('2a00:1:2:4::1')).status, 401);
  });
}

test('an address that is not public is not limited, nor is what is no page of browsers', async () => {
  for (let i = 0; i < 8; i++) assert.equal((await typed('10.1.2.3')).status, 401);
  for (let i = 0; i < 8; i++) assert.equal((await request(`${florin.public}/healthz`, { headers: from('9.9.9.9') })).status, 200);
});

test('reports of pages are counted by visitor too', async () => {
  const count = async (result) => value((await request(`${florin.api}/metrics`)).text, 'florin_page_reports_total', `result="${result}"`);
  const dropped = () => count('dropped'), kept = () => count('kept');
  for (const [base, kind, many, one] of [[florin.card, 'fields', '8.8.4.4', '8.8.8.8'], [florin.public, 'checkout', '1.0.0.1', '1.1.1.1']]) {
    const report = (address) => request(`${base}/reports`, {
      method: 'POST', headers: { 'X-Forwarded-For': address, 'Content-Type': 'application/csp-report' },
      body: { 'csp-report': { 'effective-directive': `img-src-${kind}`, 'blocked-uri': 'https://evil.example/' } },
    });
    const [lost, had] = [await dropped(), await kept()];
    for (let i = 0; i < 62; i++) assert.equal((await report(many)).status, 204);
    await waitFor(async () => (await dropped()) >= lost + 2 && (await kept()) >= had + 60, { message: () => `${kind}: 60 are kept, 2 are dropped` });
    assert.equal((await report(one)).status, 204);
    await waitFor(async () => (await kept()) > had + 60, { message: () => `${kind}: another visitor's report is kept` });
    assert.equal(await dropped(), lost + 2);
  }
});

test('a proxy that is not named is told of once a process, and named ones are not', async () => {
  const other = await start({});
  try {
    for (let i = 0; i < 3; i++) for (const ask of [typed, look]) assert.equal((await ask('8.8.4.4', other)).status, 401);
    const told = () => other.logLines().filter((line) => line.event === 'proxy.not_named');
    await waitFor(() => told().length === 2, { message: () => JSON.stringify(told()) });
    for (const line of told()) assert.equal(line.peer, '127.0.0.1');
    assert.equal(florin.logLines().filter((line) => line.event === 'proxy.not_named').length, 0);
  } finally {
    await other.stop();
  }
});

test('an entry of `proxies` that is no address refuses the start and is named', async () => {
  for (const [proxies, entry] of [['127.0.0.1, 10.0.0.0/8', '10.0.0.0/8'], ['proxy.example', 'proxy.example']])
    for (const command of ['serve', 'up']) {
      const { code, stderr } = await run([command, '--data', join(newFolder(), 'data'), '--proxies', proxies]);
      assert.equal(code, 2);
      assert.ok(stderr.includes(`proxies must be IP addresses, comma separated, not \`${entry}\``), stderr);
    }
});
