// Load, and the judge of what became of it. Customers pay, capture, cancel and refund, and remember every answer they got;
// afterwards everything they were told still holds, and the provider's book, the payments, the ledger, the events and the webhooks
// agree. Used wherever something is broken on purpose: tests/crash, tests/postgres.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { all, data, verifyLedger, wholeBook } from '../scenario/support.mjs';
import { createRandom } from './random.mjs';
import { SLOW, waitFor } from './wait.mjs';

const DEADLINE = 30000;

// Waits of the product that such a test would have to sit through. What a dead node had begun, others take over after the lease.
export const SHORT_WAITS = {
  'provider-timeout-ms': 250 * SLOW, 'provider-connect-timeout-ms': 500, 'lease-ms': 2500 + 500 * SLOW, 'sandbox-slow-ms': 120,
  'sandbox-hang-ms': 400 * SLOW, 'inquiry-delay-ms': 30, 'inquiry-backoff-max-ms': 150, 'janitor-interval-ms': 20,
  'webhook-timeout-ms': 1000 * SLOW, 'webhook-schedule': `0${',1'.repeat(15)}`,
};

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

const final = (answer) => answer && [200, 402].includes(answer.status);
const answered = (answer) => answer && answer.status !== 503 && answer.json?.code !== 'idempotency_in_progress';

// Done, declined, or refused for what the request asked: never a fault of Florin's.
const assertAnswer = (request, { status, text }) => assert.ok([200, 400, 402, 409].includes(status), `${request.key}: ${status} ${text}`);

async function inBatches(list, size, each) {
  for (let i = 0; i < list.length; i += size) await Promise.all(list.slice(i, i + size).map(each));
}

export class Load {
  #seed; #target; #workers; #timeout; #random; #tokens;
  #serial = 0;
  payments = new Map(); // id → payment as last told
  figures = { requests: 0, answered: 0, refused: 0, unanswered: 0 };

  // target: gives the Florin for the next request. timeout: a request without an answer by then counts as lost. cards: tokens of the
  // vault's, with which every other payment is made.
  constructor({ seed, target, workers = 12, timeout = 60000, cards = [] }) {
    this.#seed = seed;
    this.#target = target;
    this.#workers = workers;
    this.#timeout = timeout;
    this.#random = createRandom(seed);
    this.#tokens = cards.length ? [TOKENS, cards] : [TOKENS];
    this.cards = cards;
  }

  #told(answer) {
    const object = answer.status === 402 ? answer.json.payment : answer.json;
    if (object?.object !== 'payment') return undefined;
    const before = this.payments.get(object.id);
    if (!before || object.version > before.version) this.payments.set(object.id, object);
    return object;
  }

  async send(request, { timeout = this.#timeout, target = this.#target() } = {}) {
    this.figures.requests++;
    try {
      return await target.post(request.path, request.body, { idempotencyKey: request.key, timeout });
    } catch {
      return undefined; // the connection broke: the client does not know
    }
  }

  // A payment of its own, with a key that nobody else uses.
  newPayment(overrides) {
    const { below, pick, random } = this.#random, key = `load-${this.#seed}-${this.#serial++}`;
    const body = {
      amount: 100 + below(10000), currency: pick(['EUR', 'EUR', 'USD', 'JPY']), payment_method_token: pick(pick(this.#tokens)), capture: random() < 0.5,
      metadata: { key }, ...overrides,
    };
    return { key, path: '/v1/payments', body };
  }

  #next(known) {
    const { below, pick, random } = this.#random;
    const target = known.length > 0 && random() < 0.45 ? pick(known) : undefined;
    if (!target) return this.newPayment();
    const what = target.status === 'authorized' ? pick(['capture', 'capture', 'cancel']) : 'refund';
    const body = what === 'refund' && random() < 0.5 ? { amount: 1 + below(target.amount) } : {};
    return { key: `load-${this.#seed}-${this.#serial++}`, path: `/v1/payments/${target.id}/${what}`, body };
  }

  // Until `until.done`; the result is what was sent. Without an answer, a customer asks again with the same key (`patience` is how
  // many do), or leaves it to reconcile(); `once`: the first loss ends the load.
  async run(until, { patience = 0, once = false } = {}) {
    const sent = [], known = [];
    let lost = false;
    const worker = async () => {
      while (!until.done && !lost) {
        const request = this.#next(known);
        sent.push(request);
        const patient = this.#random.random() < patience;
        for (;;) {
          const answer = await this.send(request);
          if (answered(answer)) {
            this.#take(request, answer, known);
            break;
          }
          lost ||= once && !answer;
          if (!once) await sleep(20); // a customer's pause: whoever is down is not to be hammered
          if (!patient || until.done) break;
        }
      }
    };
    await Promise.all(Array.from({ length: this.#workers }, worker));
    return sent;
  }

  #take(request, answer, known) {
    request.answer = answer;
    const object = this.#told(answer);
    if (object && ['authorized', 'captured'].includes(object.status) && known.push(object) > 64) known.shift();
  }

  // The client repeats what it has no answer for, with the same key, until it has one; and sees that the others did not change.
  async reconcile(sent) {
    await inBatches(sent, 32, async (request) => {
      const first = final(request.answer) ? request.answer : undefined;
      if (request.answer) assertAnswer(request, request.answer);
      this.figures[first ? 'answered' : request.answer ? 'refused' : 'unanswered']++;
      const again = await waitFor(async () => {
        const answer = await this.send(request);
        return answered(answer) && answer;
      }, { timeout: DEADLINE, message: () => `${request.key} gets no answer: ${request.path} ${JSON.stringify(request.body)}` });
      if (first) {
        assert.equal(again.status, first.status, `${request.key}: status of the replay`);
        assert.equal(again.text, first.text, `${request.key}: bytes of the replay`);
        assert.equal(again.headers['idempotent-replayed'], 'true', `${request.key}: not marked as replayed`);
      } else {
        assertAnswer(request, again);
        this.#told(again);
      }
    });
  }

  // The payments that answers of these requests told of.
  owed(sent) {
    return [...new Set(sent.map((request) => final(request.answer) && this.#told(request.answer)?.id).filter(Boolean))];
  }

  // Every acknowledged payment is there, in at least the state that was told, and every intent ends.
  async checkPayments(ids) {
    await inBatches(ids, 32, async (id) => {
      const was = this.payments.get(id);
      const now = await waitFor(async () => {
        const answer = await this.#target().get(`/v1/payments/${id}`);
        assert.equal(answer.status, 200, `${id}: ${answer.status} ${answer.text}`);
        return answer.json.status !== 'processing' && answer.json;
      }, { timeout: DEADLINE, message: () => `${id} does not end` });
      assert.ok(LATER[was.status].includes(now.status), `${id}: told ${was.status}, now ${now.status}`);
      assert.ok(now.version >= was.version, `${id}: version ${was.version}, now ${now.version}`);
      assert.ok(now.amount_captured >= was.amount_captured, `${id}: captured ${was.amount_captured}, now ${now.amount_captured}`);
    });
  }

  // Everything against everything else; the result says how much that was.
  async compare(receiver, secret) {
    const florin = this.#target();
    const { journals } = await verifyLedger(florin);
    return { ...(await checkBook(florin, this.payments)), ...(await checkEvents(florin, receiver, secret)), journals };
  }
}

function checkCharge(p, charge) {
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

// The whole of Florin against the whole of the book; `acknowledged` are the payments that customers were told of.
async function checkBook(florin, acknowledged) {
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
    references.add(attempts[0].id);
    checkCharge(p, charges.get(attempts[0].id));
  });
  for (const reference of charges.keys()) assert.ok(references.has(reference), `the book has ${reference}, which Florin does not know`);
  const there = new Set(mine.map((p) => p.id));
  for (const id of acknowledged.keys()) assert.ok(there.has(id), `${id} was acknowledged and is gone`);
  return { payments: mine.length, charges: book.length };
}

// Events are numbered without a hole, and each was delivered, signed, with the bytes it has.
async function checkEvents(florin, receiver, secret) {
  const events = await all(florin, '/v1/events');
  assert.deepEqual(events.map((e) => e.sequence), events.map((_, i) => events.length - i), 'sequence numbers have no hole');
  const versions = new Map();
  for (const event of [...events].reverse()) {
    assert.equal(event.object_version, (versions.get(event.data.id) ?? 0) + 1, `versions of ${event.data.id} have no hole`);
    versions.set(event.data.id, event.object_version);
  }
  const came = new Set(), missing = () => events.filter((e) => !came.has(e.id));
  await waitFor(() => {
    for (const request of receiver.requests) came.add(request.headers['webhook-id']);
    return missing().length === 0;
  }, { timeout: 60000, interval: 200, message: () => `${missing().length} of ${events.length} events were not delivered: ${JSON.stringify(missing()[0])}` });
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
