// A primary with a synchronous standby, under load; the primary is killed, the standby promoted, and a new standby built, again and
// again. Nothing that was acknowledged is lost. TEST_FAILOVERS is how often; SEED repeats the choices of the load.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { asArgs, startFlorin, startReceiver, waitFor } from '../lib/florin.mjs';
import { Load, SHORT_WAITS } from '../lib/load.mjs';
import { startPair } from '../lib/postgres.mjs';
import { alive, endAll } from '../lib/process.mjs';
import { createRandom, newSeed } from '../lib/random.mjs';

const FAILOVERS = Number(process.env.TEST_FAILOVERS ?? 20);
const SEED = newSeed();
const { below } = createRandom(SEED + 1);

let pair, florin, receiver, secret, load, sent = [];
before(async () => {
  pair = await startPair();
  florin = await startFlorin({ store: await pair.createDatabase(), args: asArgs(SHORT_WAITS) });
  receiver = await startReceiver();
  const created = await florin.post('/v1/webhook_endpoints', { url: receiver.url });
  assert.equal(created.status, 200, created.text);
  secret = created.json.secret;
  load = new Load({ seed: SEED, target: () => florin, workers: 8, timeout: 15000 });
});
after(() => endAll(() => florin?.stop(), () => receiver?.close(), () => pair?.remove()));

// A payment every few milliseconds, until one of them is answered 200; the result is what was asked for, and when the first answer came.
async function untilWritten() {
  const probes = [], answers = [];
  let at;
  while (!at) {
    const request = load.newPayment({ payment_method_token: 'pm_tok_visa' });
    probes.push(request);
    answers.push(load.send(request, { timeout: 20000 }).then((answer) => {
      if (answer?.status !== 200) return;
      request.answer = answer;
      at ??= performance.now();
    }));
    await sleep(25);
    assert.ok(probes.length < 4000, 'no write gets through');
  }
  await Promise.all(answers);
  return { at, probes };
}

test(`${FAILOVERS} failovers under load`, async (t) => {
  const until = { done: false }, took = [], asked = [];
  const loading = load.run(until, { patience: 0.5 });
  try {
    for (let round = 1; round <= FAILOVERS; round++) {
      const before = load.payments.size;
      await waitFor(() => load.payments.size > before + 50, { timeout: 30000, message: () => `no load before failover ${round}` });
      // In every second round the standby is behind: commits are under way of which neither side knows what the other has.
      const release = round % 2 === 0 ? await pair.hold() : () => {};
      if (round % 2 === 0) await sleep(below(200));
      const killed = performance.now();
      await pair.fence();
      release();
      const writing = untilWritten();
      await pair.promote();
      const promoted = performance.now();
      const { at, probes } = await writing;
      asked.push(...probes);
      took.push(Math.round(at - killed));
      t.diagnostic(`failover ${round}: standby promoted after ${Math.round(promoted - killed)} ms, first write after ${took.at(-1)} ms`);
      await pair.rebuild();
    }
  } finally {
    until.done = true;
    sent = [...await loading, ...asked];
  }
  took.sort((a, b) => a - b);
  t.diagnostic(`figures failover: SEED=${SEED} from kill to first write: median ${took[took.length >> 1]} ms, longest ${took.at(-1)} ms, of ${FAILOVERS}`);
});

test('Florin lives through them', () => assert.ok(alive(florin.processes.api)));

test('every request has an answer in the end, and every answer that was given is given again', () => load.reconcile(sent));

test('every intent ends, in no state before the one that was told', () => load.checkPayments(load.owed(sent)));

test('one charge per reference, the ledger verifies, every event was delivered', async (t) => {
  const whole = await load.compare(receiver, secret);
  t.diagnostic(`figures failover: ${JSON.stringify({ ...load.figures, ...whole })}`);
});
