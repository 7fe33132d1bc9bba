// kill -9 at random moments under load, round after round on the same data. A client remembers every answer it got; afterwards
// everything it was told still holds, and the provider’s book, the payments, the ledger, the events and the webhooks agree.
//
//   SEED=1 tests/crash/run 20
import assert from 'node:assert/strict';
import { Webhook } from 'standardwebhooks';
import { all, assertOk, data, SLOW, start, startReceiver, verifyLedger, waitFor, wholeBook } from '../scenario/support.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 20);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const WORKERS = Number(process.env.WORKERS ?? 12);
const FULL_EVERY = 50; // rounds between comparisons of everything
const DEADLINE = 30000;

// A small seeded generator (mulberry32): the same seed makes the same choices.
let state = SEED;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

const TOKENS = [
  ...Array(14).fill('pm_tok_visa'), 'pm_tok_slow', 'pm_tok_error_after', 'pm_tok_timeout_after', 'pm_tok_timeout_before',
  'pm_tok_declined_do_not_honor', 'pm_tok_declined_insufficient_funds', 'pm_tok_capture_error_after', 'pm_tok_refund_error_after',
];

// What may be seen of a payment after an answer that showed it in this state.
const LATER = {
  processing: ['processing', 'authorized', 'captured', 'refunded', 'canceled', 'failed'],
  authorized: ['authorized', 'processing', 'captured', 'canceled', 'refunded'],
  captured: ['captured', 'refunded'],
  refunded: ['refunded'],
  canceled: ['canceled'],
  failed: ['failed'],
};

const figures = { requests: 0, answered: 0, refused: 0, unanswered: 0, killed_api: 0, killed_all: 0, killed_provider: 0 };
const payments = new Map(); // id → { status, amount_captured } as last told
let serial = 0;

function told(answer) {
  const object = answer.status === 402 ? answer.json.payment : answer.json;
  if (object?.object !== 'payment') return undefined;
  const before = payments.get(object.id);
  if (!before || object.version > before.version) payments.set(object.id, object);
  return object;
}

const final = (answer) => answer && [200, 402].includes(answer.status);

async function send(florin, request) {
  figures.requests++;
  try {
    return await florin.post(request.path, request.body, { idempotencyKey: request.key });
  } catch {
    return undefined; // the connection broke: the client does not know
  }
}

function nextRequest(known) {
  const key = `round-${SEED}-${serial++}`;
  const target = known.length > 0 && random() < 0.45 ? pick(known) : undefined;
  if (!target)
    return {
      key,
      path: '/v1/payments',
      body: {
        amount: 100 + below(10000), currency: pick(['EUR', 'EUR', 'USD', 'JPY']), payment_method_token: pick(TOKENS), capture: random() < 0.5,
        metadata: { key },
      },
    };
  const what = target.status === 'authorized' ? pick(['capture', 'capture', 'cancel']) : 'refund';
  const body = what === 'refund' && random() < 0.5 ? { amount: 1 + below(target.amount) } : {};
  return { key, path: `/v1/payments/${target.id}/${what}`, body };
}

// Load until the kill; returns what was sent in this round.
async function load(florin, until) {
  const sent = [], known = [];
  let dead = false;
  const worker = async () => {
    while (!dead && !until.done) {
      const request = nextRequest(known);
      sent.push(request);
      const answer = await send(florin, request);
      if (answer && answer.status !== 503) {
        request.answer = answer;
        const object = told(answer);
        if (object && ['authorized', 'captured'].includes(object.status)) known.push(object);
      } else if (!answer) {
        dead = true;
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  return sent;
}

async function kill(florin) {
  const who = random();
  if (who < 0.4) {
    figures.killed_api++;
    await florin.kill9(florin.processes.api); // its parent starts it again
    await florin.ready();
  } else if (who < 0.6) {
    figures.killed_provider++;
    await florin.kill9(florin.processes.sandbox);
    await florin.ready();
  } else {
    figures.killed_all++;
    await florin.kill9();
    await florin.restart();
  }
}

async function inBatches(list, size, each) {
  for (let i = 0; i < list.length; i += size) await Promise.all(list.slice(i, i + size).map(each));
}

// The client repeats what it has no answer for, with the same key, until it has one; and sees that the others did not change.
async function reconcile(florin, sent) {
  await inBatches(sent, 32, async (request) => {
    const first = final(request.answer) ? request.answer : undefined;
    figures[first ? 'answered' : request.answer ? 'refused' : 'unanswered']++;
    const again = await waitFor(async () => {
      const answer = await send(florin, request);
      return answer && answer.status !== 503 && answer.json?.code !== 'idempotency_in_progress' && answer;
    }, { timeout: DEADLINE });
    if (first) {
      assert.equal(again.status, first.status, `${request.key}: status of the replay`);
      assert.equal(again.text, first.text, `${request.key}: bytes of the replay`);
      assert.equal(again.headers['idempotent-replayed'], 'true', `${request.key}: not marked as replayed`);
    } else {
      assert.ok([200, 400, 402, 409].includes(again.status), `${request.key}: ${again.status} ${again.text}`);
      told(again);
    }
  });
}

// Every acknowledged payment is there, in at least the state that was told, and every intent ends.
async function checkPayments(florin, ids) {
  await inBatches(ids, 32, async (id) => {
    const was = payments.get(id);
    const now = await waitFor(async () => {
      const answer = await florin.get(`/v1/payments/${id}`);
      assert.equal(answer.status, 200, `${id}: ${answer.status} ${answer.text}`);
      return answer.json.status !== 'processing' && answer.json;
    }, { timeout: DEADLINE });
    assert.ok(LATER[was.status].includes(now.status), `${id}: told ${was.status}, now ${now.status}`);
    assert.ok(now.version >= was.version, `${id}: version ${was.version}, now ${now.version}`);
    assert.ok(now.amount_captured >= was.amount_captured, `${id}: captured ${was.amount_captured}, now ${now.amount_captured}`);
  });
}

// The whole of Florin against the whole of the book.
async function checkBook(florin) {
  await waitFor(async () => (await data(florin, '/v1/payments?status=processing&limit=1')).length === 0, { timeout: DEADLINE });
  await waitFor(async () => (await data(florin, '/v1/refunds?status=pending&limit=1')).length === 0, { timeout: DEADLINE });
  const mine = await all(florin, '/v1/payments');
  const book = await wholeBook(florin);
  const charges = new Map();
  for (const charge of book) {
    assert.ok(!charges.has(charge.reference), `two charges under ${charge.reference}`);
    charges.set(charge.reference, charge);
  }
  const references = new Set();
  await inBatches(mine, 32, async (p) => {
    const attempts = await data(florin, `/v1/payments/${p.id}/attempts`);
    assert.equal(attempts.length, 1, `${p.id} has one attempt`);
    for (const attempt of attempts) {
      references.add(attempt.id);
      const charge = charges.get(attempt.id);
      const where = `${p.id} ${p.status}, book ${JSON.stringify(charge)}`;
      if (['authorized', 'captured', 'refunded', 'canceled'].includes(p.status)) {
        assert.ok(charge, where);
        assert.equal(charge.captured, p.amount_captured, where);
        assert.equal(charge.refunded, p.amount_refunded, where);
        assert.equal(charge.amount, p.amount, where);
        assert.equal(charge.currency, p.currency, where);
        assert.equal(charge.calls, 1, where);
      } else {
        assert.equal(p.status, 'failed', where);
        assert.equal(charge?.captured ?? 0, 0, where);
        if (charge) assert.notEqual(charge.status, 'authorized', where);
      }
    }
  });
  for (const reference of charges.keys()) assert.ok(references.has(reference), `the book has ${reference}, which Florin does not know`);
  for (const id of payments.keys()) assert.ok(mine.some((p) => p.id === id), `${id} was acknowledged and is gone`);
  return { payments: mine.length, charges: book.length };
}

async function checkEvents(florin, receiver, secret) {
  const events = await all(florin, '/v1/events');
  assert.deepEqual(events.map((e) => e.sequence), events.map((_, i) => events.length - i), 'sequence numbers have no hole');
  const versions = new Map();
  for (const event of [...events].reverse()) {
    assert.equal(event.object_version, (versions.get(event.data.id) ?? 0) + 1, `versions of ${event.data.id} have no hole`);
    versions.set(event.data.id, event.object_version);
  }
  const bodies = new Map();
  await waitFor(() => {
    for (const request of receiver.requests) bodies.set(request.headers['webhook-id'], request);
    return events.every((e) => bodies.has(e.id));
  }, { timeout: 60000, interval: 200 });
  const seen = new Map();
  const verifier = new Webhook(secret);
  for (const request of receiver.requests) {
    const id = request.headers['webhook-id'];
    if (!seen.has(id)) verifier.verify(request.body, request.headers, { tolerance: 1e6 });
    assert.equal(seen.get(id) ?? request.body, request.body, `the bytes of ${id} changed`);
    seen.set(id, request.body);
  }
  for (const event of events) assert.deepEqual(JSON.parse(seen.get(event.id)), event);
  return { events: events.length, deliveries: receiver.requests.length };
}

// --- the run ---

const clock = Date.now();
const summary = (whole) => Object.entries({ seed: SEED, rounds: ROUNDS, seconds: ((Date.now() - clock) / 1000).toFixed(1), ...figures, ...whole })
  .map(([name, value]) => `${name}=${value}`).join(' ');

async function rounds(florin, receiver, done) {
  const { secret } = assertOk(await florin.post('/v1/webhook_endpoints', { url: receiver.url }));
  let whole = {}, owed = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const until = { done: false };
    const loading = load(florin, until);
    await new Promise((resolve) => setTimeout(resolve, 50 + below(450))); // the random moment
    const killed = kill(florin).finally(() => (until.done = true));
    const sent = await loading;
    await killed;
    await reconcile(florin, sent);
    await checkPayments(florin, owed); // of the round before, so that this one does not wait for slow endings
    owed = [...new Set(sent.map((r) => final(r.answer) && told(r.answer)?.id).filter(Boolean))];
    if (round % FULL_EVERY === 0 || round === ROUNDS) {
      const { journals } = await verifyLedger(florin);
      whole = { ...(await checkBook(florin)), ...(await checkEvents(florin, receiver, secret)), journals };
    }
    done(round);
  }
  await checkPayments(florin, owed);
  return whole;
}

console.log(`SEED=${SEED} ROUNDS=${ROUNDS}`);
const florin = await start({
  settings: {
    'provider-timeout-ms': 250 * SLOW, 'sandbox-slow-ms': 120, 'sandbox-hang-ms': 400 * SLOW, 'inquiry-delay-ms': 30,
    'inquiry-backoff-max-ms': 150, 'janitor-interval-ms': 20, 'webhook-schedule': `0${',1'.repeat(15)}`,
  },
});
const receiver = await startReceiver();
let passed = 0, failed = 0;
try {
  const whole = await rounds(florin, receiver, (round) => {
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
