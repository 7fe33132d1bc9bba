// Three nodes on one database, under load; one after another is killed and started again. Whoever asks is answered by the others, and
// afterwards nothing is lost and nothing was done twice. TEST_NODE_ROUNDS is the number of kills; SEED repeats the choices.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startReceiver, waitFor } from '../lib/florin.mjs';
import { Load, SHORT_WAITS } from '../lib/load.mjs';
import { startNodes } from '../lib/nodes.mjs';
import { testDatabase } from '../lib/postgres.mjs';
import { endAll } from '../lib/process.mjs';
import { createRandom, newSeed } from '../lib/random.mjs';

const ROUNDS = Number(process.env.TEST_NODE_ROUNDS ?? 20);
const SEED = newSeed();
const NODES = 3;

const { below } = createRandom(SEED + 1);
const sent = [];
let cluster, receiver, secret, load;
before(async () => {
  cluster = await startNodes({ count: NODES, store: await testDatabase(), settings: SHORT_WAITS });
  receiver = await startReceiver();
  const created = await cluster.nodes[0].post('/v1/webhook_endpoints', { url: receiver.url });
  assert.equal(created.status, 200, created.text);
  secret = created.json.secret;
  load = new Load({ seed: SEED, target: () => cluster.nodes[below(NODES)], timeout: 15000 });
});
after(() => endAll(() => cluster?.stop(), () => receiver?.close()));

// A payment at each of these nodes, asked for until it is answered 200.
async function served(nodes) {
  await Promise.all(nodes.map((target) => waitFor(async () => {
    const request = load.newPayment({ payment_method_token: 'pm_tok_visa' });
    request.answer = await load.send(request, { target });
    sent.push(request);
    return request.answer?.status === 200;
  }, { message: () => `a node does not serve:\n${target.log(3000)}` })));
}

test(`the others go on while one node after another dies, ${ROUNDS} times`, async (t) => {
  const until = { done: false }, waits = [];
  const loading = load.run(until, { patience: 0.5 });
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      const victim = cluster.nodes[below(NODES)];
      await sleep(500 + below(2500)); // the random moment
      await victim.kill9();
      const killed = performance.now();
      await served(cluster.nodes.filter((node) => node !== victim));
      waits.push(Math.round(performance.now() - killed));
      await sleep(below(1000)); // and the time without it
      await victim.restart();
    }
  } finally {
    until.done = true;
    sent.push(...await loading);
  }
  t.diagnostic(`figures nodes: SEED=${SEED} kills=${ROUNDS} requests=${sent.length}; until both others had served a payment: at most ${Math.max(...waits)} ms`);
});

test('every request has an answer in the end, and every answer that was given is given again', () => load.reconcile(sent));

test('every intent ends, in no state before the one that was told', () => load.checkPayments(load.owed(sent)));

test('one charge per reference, the ledger verifies, every event was delivered', async (t) => {
  const whole = await load.compare(receiver, secret);
  t.diagnostic(`figures nodes: ${JSON.stringify({ ...load.figures, ...whole })}`);
});

test('all nodes show the same', async () => {
  const answers = await Promise.all(cluster.nodes.flatMap((node) => ['/v1/payments?limit=100', '/v1/events?limit=100', '/v1/balances'].map((path) => node.get(path))));
  for (let i = 3; i < answers.length; i++) assert.equal(answers[i].text, answers[i % 3].text);
});
