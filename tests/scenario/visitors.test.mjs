// Limits per address of the card listener and of what browsers call: who tests stolen cards needs many tries.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { start } from './support.mjs';
import { request } from '../lib/florin.mjs';

let florin;
before(async () => {
  florin = await start({ args: ['--proxies', '127.0.0.1', '--card-attempts-per-minute', '3', '--client-requests-per-minute', '4'] });
});
after(async () => { await florin?.stop(); });

const from = (address) => ({ 'X-Forwarded-For': address, Authorization: 'Bearer ct_test_none' });
const typed = (address) => request(`${florin.card}/v1/cards`, {
  method: 'POST', headers: { ...from(address), 'Content-Type': 'application/json' }, body: { number: '4242424242424242', exp_month: 12, exp_year: 2034 },
});
const look = (address) => request(`${florin.public}/client/payment`, { headers: from(address) });

function assertLimited(answer) {
  assert.equal(answer.status, 429, answer.text);
  assert.equal(answer.json.code, 'rate_limited');
  const wait = Number(answer.headers['retry-after'] ?? answer.headers.get?.('retry-after'));
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
