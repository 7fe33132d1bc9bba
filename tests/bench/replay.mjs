// The floor on PostgreSQL: what Florin sends for one captured card payment with an Idempotency-Key, alone in its batch, sent by
// pgbench. A real payment is made first, and the script is written from the server's log of it: the same statements in the same
// order, with the same values but for those that differ from payment to payment (VARYING). A statement that is not known here ends
// the bench, and so does a script that the server does not see as it saw Florin.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../lib/florin.mjs';

// What varies in each statement, parameter by parameter; `.` is as recorded.
const VARYING = {
  'begin': '',
  'commit': '',
  'events/insert_event': 'merchant event . . payment . . now .',
  'flow/insert_answer': 'merchant answer .',
  'flow/insert_idempotency': 'merchant key answer',
  'flow/store_answer': '. event . merchant answer',
  'ledger/insert_chain': 'merchant chain journal event now chain_hash',
  'ledger/insert_journal': 'merchant journal . . payment operation . now now',
  'ledger/insert_posting': 'merchant journal . . . . .',
  'ledger/select_chain_last': 'merchant',
  'payments/insert_attempt': 'merchant payment . . . . now',
  'payments/insert_payment': 'merchant payment . . . . . now . . . . . . . .',
  'payments/list_enabled_accounts': 'merchant',
  'payments/read_payment': 'merchant payment',
  'payments/update_attempt': '. . now . . . . . . . . merchant payment . .',
  'payments/update_payment': '. . . . . . . . . . . . . . . . event journal now . . merchant payment . . . . . . .',
  'search/insert_lookup': 'merchant . . . payment',
  'store/delete_job': 'merchant operation .',
  'store/insert_job': 'merchant operation . due . due . .',
  'store/select_sequencer': 'merchant',
  'store/set_commit_mark': 'merchant writer number now',
  'store/update_sequencer': 'event journal merchant event_last journal_last',
};

// Reads whose result later statements are made of: the prefix of the columns' names, and what follows from them.
const FETCHED = {
  'store/select_sequencer': { prefix: '', then: { event: ':event_last + 1', journal: ':journal_last + 1' } },
  'ledger/select_chain_last': { prefix: 'chain_', then: { chain: ':chain_number + 1' } },
};

// Once per payment. A number of 16 digits is an id of 16 bytes for a BYTEA; ids grow as Florin's do, keys are random. `first` and
// `step` say whose payments a client makes.
const BEFORE = {
  merchant: ':first + :step * :client_id',
  number: ':number + 1',
  now: ':start + 1000 * :number',
  due: ':now + 30000000',
  payment: '1000000000000000 + 1000000 * :number + 10000 * :client_id + 100 * random(0, 99)',
  operation: ':payment + 1',
  answer: ':payment + 2',
  key: 'random(1000000000000000, 9999999999999999)',
  writer: '1000000000000000 + :client_id',
};

// --- the server's log ---

const plain = (sql) => sql.replace(/--.*$/gm, '').replace(/\s+/g, ' ').replace(/ ?;? ?$/, '').trim();

// Names of statements by their text.
function statementNames() {
  const names = new Map([['BEGIN ISOLATION LEVEL READ COMMITTED', 'begin'], ['COMMIT', 'commit']]);
  const source = join(ROOT, 'src');
  for (const room of readdirSync(source)) {
    let files = [];
    try { files = readdirSync(join(source, room, 'sql')); } catch { /* a room without statements */ }
    for (const file of files) {
      const text = readFileSync(join(source, room, 'sql', file), 'utf8').replace('@FOR_UPDATE@', 'FOR UPDATE');
      names.set(plain(text), `${room}/${file.replace(/\.sql$/, '')}`);
    }
  }
  return names;
}

function parameters(text) {
  const values = [];
  for (const [, n, value] of text.matchAll(/\$(\d+) = (NULL|'(?:[^']|'')*')/g))
    values[n - 1] = value === 'NULL' ? null : value.slice(1, -1).replaceAll("''", "'");
  return values;
}

// How the log must be written for readTransactions().
export const LOG = { log_line_prefix: '[%p] ', log_statement: 'all' };

// The committed transactions in the order of their COMMIT; each is a list of {text, values}.
function readTransactions(log) {
  const open = new Map(), all = []; // open: by session
  for (const entry of log.split(/\n(?!\t)/)) {
    const [, session, kind, what] = entry.match(/^\[(\d+)\] (LOG: {2}execute|DETAIL: {2}parameters)[^:]*: ([^]*)$/) ?? [];
    if (!session) continue;
    if (kind.startsWith('DETAIL')) {
      const last = open.get(session)?.at(-1);
      if (last) last.values = parameters(what);
      continue;
    }
    const text = plain(what);
    if (text.startsWith('BEGIN')) open.set(session, []);
    open.get(session)?.push({ text, values: [] });
    if (text === 'COMMIT' && open.has(session)) all.push(open.get(session));
    if (/^(COMMIT|ROLLBACK)$/.test(text)) open.delete(session);
  }
  return all;
}

// The two transactions of the last payment: the intent, which claims the key, and the outcome, which writes the event.
function lastPayment(log) {
  const transactions = readTransactions(log);
  return ['INSERT INTO idempotency ', 'INSERT INTO event '].map((mark) => {
    const found = transactions.filter((one) => one.some(({ text }) => text.startsWith(mark))).at(-1);
    assert.ok(found, `the server's log has no transaction with ${mark}`);
    return found;
  });
}

// A payment as recorded: its two transactions, each a list of {name, text, values}.
export function recordPayment(log) {
  const names = statementNames();
  return lastPayment(log).map((transaction) => transaction.map(({ text, values }) => {
    const name = names.get(text);
    assert.ok(name, `Florin sends a statement that is in no file of src/: ${text}`);
    const varying = VARYING[name]?.split(' ').filter(Boolean);
    assert.equal(varying?.length, values.length, `tests/bench/replay.mjs must be told which values of ${name} vary: ${text}`);
    return { name, text, values, varying };
  }));
}

// --- the script ---

const sets = (all) => Object.entries(all).map(([name, expression]) => `\\set ${name} ${expression}`);

// The script and its constants: {text, constants}. With `pipelined`, statements go out together up to the next one whose row the
// script needs, which pgbench cannot fetch inside a pipeline. It need not look at the other results, as Florin must: whether the key
// was free, which account there is, how the payment stands.
export function replayScript(payment, { pipelined }) {
  const constants = new Map(), lines = sets(BEFORE);
  const constant = (value) => {
    if (!constants.has(value)) constants.set(value, `c${constants.size}`);
    return constants.get(value);
  };
  for (const transaction of payment) {
    let piped = false;
    const pipe = (on) => {
      if (pipelined && on !== piped) lines.push(on ? '\\startpipeline' : '\\endpipeline');
      piped = on;
    };
    transaction.forEach(({ name, text, values, varying }, i) => {
      const sql = text.replace(/\$(\d+)/g, (_, n) => {
        if (varying[n - 1] !== '.') return `:${varying[n - 1]}`;
        return values[n - 1] === null ? 'NULL' : `:${constant(values[n - 1])}`; // pgbench has no variable that is NULL
      });
      const { prefix, then } = FETCHED[name] ?? {};
      const needed = then && transaction.slice(i + 1).some((later) => later.varying.some((word) => word in then));
      pipe(!needed);
      lines.push(needed ? `${sql} \\gset ${prefix}`.trim() : `${sql};`);
      if (needed) lines.push(...sets(then));
    });
    pipe(false);
  }
  return { text: `${lines.join('\n')}\n`, constants: [...constants].map(([value, name]) => `${name}=${value}`) };
}

// The server saw of pgbench what it had seen of Florin.
export function checkReplay(payment, log) {
  const shape = (transactions) => transactions.flatMap((one) => one.map(({ text }) => text.replace(/\$\d+|NULL/g, '?')));
  assert.deepEqual(shape(lastPayment(log)), shape(payment));
}
