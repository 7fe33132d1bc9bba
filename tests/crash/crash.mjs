// kill -9 at random moments under load, round after round on the same data; what the customers were told still holds (see
// tests/lib/load.mjs, which judges).
//
//   SEED=1 tests/crash/run 20
import assert from 'node:assert/strict';
import { FLORIN } from '../lib/florin.mjs';
import { Load, SHORT_WAITS } from '../lib/load.mjs';
import { runProcess } from '../lib/process.mjs';
import { createRandom, newSeed } from '../lib/random.mjs';
import { newCard } from '../lib/vault_cards.mjs';
import { start, startReceiver, assertOk } from '../scenario/support.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 20);
const SEED = newSeed();
const FULL_EVERY = 50; // rounds between comparisons of everything

const { random, below } = createRandom(SEED);
const killed = { killed_api: 0, killed_all: 0, killed_provider: 0, killed_vault: 0, killed_card: 0, rotations: 0 };

// What the numbers do: docs/sandbox.md.
const APPROVED = ['4242424242424242', '5555555555554444'];
const NUMBERS = [...Array(12).fill(APPROVED[0]), ...Array(3).fill(APPROVED[1]), '4000000000009995', '4000000000000119', '4000000000009003', '4000000000009011', '4000000000009029', '4000000000009037'];

async function kill(florin) {
  const who = random();
  const one = who < 0.25 ? 'api' : who < 0.35 ? 'provider' : who < 0.55 ? 'vault' : who < 0.75 ? 'card' : undefined;
  killed[`killed_${one ?? 'all'}`]++;
  if (one) { // the parent starts it again, and it alone
    const before = { ...florin.processes }, name = one === 'provider' ? 'sandbox' : one;
    await florin.kill9(before[name]);
    await florin.ready();
    for (const [other, pid] of Object.entries(before)) assert.equal(florin.processes[other] === pid, other !== name, `${name} was killed: ${other}`);
  } else {
    await florin.kill9();
    await florin.restart();
  }
}

// The vault's keys change meanwhile: of the merchants, and now and then the master key. What was broken off goes on by itself.
async function rotate(florin) {
  const what = random() < 0.7 ? ['rotate-merchant', '--merchant', 'all'] : ['rotate-master'];
  const { code } = await runProcess(FLORIN, ['vault', ...what, '--data', florin.dataDir]);
  if (code === 0) killed.rotations++;
}

async function rounds(florin, load, receiver, done) {
  const { secret } = assertOk(await florin.post('/v1/webhook_endpoints', { url: receiver.url }));
  let whole = {}, owed = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const until = { done: false };
    const loading = load.run(until, { once: true });
    await new Promise((resolve) => setTimeout(resolve, 50 + below(450))); // the random moment
    const rotating = round % 2 ? rotate(florin) : undefined;
    if (rotating && random() < 0.5) await new Promise((resolve) => setTimeout(resolve, below(150)));
    const killing = kill(florin).finally(() => (until.done = true));
    const sent = await loading;
    await killing;
    await rotating;
    await load.reconcile(sent);
    await load.checkPayments(owed); // of the round before, so that this one does not wait for slow endings
    owed = load.owed(sent);
    if (round % FULL_EVERY === 0 || round === ROUNDS) whole = await load.compare(receiver, secret);
    done(round);
  }
  await load.checkPayments(owed);
  for (const [i, token] of load.cards.entries()) { // each card opens still
    const answer = await florin.post('/v1/payments', { amount: 100, currency: 'EUR', payment_method_token: token });
    assert.ok([200, 402].includes(answer.status), answer.text);
    if (APPROVED.includes(NUMBERS[i])) assert.equal(answer.json.status, 'captured', answer.text);
  }
  return whole;
}

console.log(`SEED=${SEED} ROUNDS=${ROUNDS}`);
const clock = Date.now();
const florin = await start({ settings: SHORT_WAITS });
const cards = [];
for (const number of NUMBERS) cards.push((await newCard(florin, number)).payment_method_token);
const load = new Load({ seed: SEED, target: () => florin, cards, workers: Number(process.env.WORKERS ?? 12) });
const receiver = await startReceiver();
const summary = (whole) => Object.entries({ seed: SEED, rounds: ROUNDS, seconds: ((Date.now() - clock) / 1000).toFixed(1), ...load.figures, ...killed, ...whole })
  .map(([name, value]) => `${name}=${value}`).join(' ');
let passed = 0, failed = 0;
try {
  const whole = await rounds(florin, load, receiver, (round) => {
    passed = round;
    if (round % 10 === 0) console.log(`round ${round} of ${ROUNDS}`);
  });
  await florin.stop();
  console.log(summary(whole));
} catch (error) {
  failed = 1;
  process.env.TEST_KEEP = '1'; // leave the data for a look
  console.log(`${error.stack}\nSEED=${SEED}, round ${passed + 1}; ${summary({})}\nthe data is in ${florin.dataDir}\n${florin.log(4000)}`);
}
await receiver.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed);
