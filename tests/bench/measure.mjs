// What both engines' rows are made with: the load on one or more nodes, what processes used for it, and whether the answers were true.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../lib/florin.mjs';
import { runProcess } from '../lib/process.mjs';

const list = (name, otherwise) => (process.env[name] ?? otherwise).split(',');
export const floorSeconds = Number(process.env.SECONDS_FLOOR ?? 4);
export const seconds = Number(process.env.SECONDS_EACH ?? 8);
export const WARM = 2; // seconds before a measurement on PostgreSQL, whose sessions begin slowly
export const rounds = Number(process.env.ROUNDS ?? 3);
export const engines = list('ENGINES', 'sqlite,postgres');
assert.ok(engines.every((name) => ['sqlite', 'postgres'].includes(name)), 'ENGINES: sqlite, postgres');
export const sizes = (otherwise) => list('SIZES', otherwise).map(Number);

const tick = 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
export const rounded = (value, digits = 0) => Math.round(value * 10 ** digits) / 10 ** digits;
const sum = (values) => values.reduce((a, b) => a + b, 0);

export function status(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

// One row of several measurements of the same thing. The machine drifts: what is compared was measured in turn.
export function mean(rows) {
  const row = { ...rows[0], payments: sum(rows.map((one) => one.payments)) };
  for (const [name, value] of Object.entries(row)) {
    if (typeof value !== 'number' || !/_/.test(name)) continue; // a size, or the sum
    row[name] = rounded(sum(rows.map((one) => one[name])) / rows.length, name.endsWith('_ms') ? 2 : name.endsWith('_mib') ? 1 : 0);
  }
  return row;
}

// The value below which `share` of the others are; `times` are [value, how often].
export function quantile(times, share) {
  const sorted = [...times].sort((a, b) => a[0] - b[0]);
  let left = sum(times.map((time) => time[1])) * share;
  return sorted.find((time) => (left -= time[1]) <= 0)?.[0] ?? 0;
}

// --- what processes use ---

const read = (pid, file) => readFileSync(`/proc/${pid}/${file}`, 'latin1');
const stat = (pid) => read(pid, 'stat').split(') ')[1].split(' ').map(Number);

// What processes have used so far: CPU in microseconds, bytes handed to the disk, resident memory in KiB.
function usage(...pids) {
  const all = { cpu: 0, bytes: 0, rss: 0 };
  for (const pid of pids) {
    all.cpu += sum(stat(pid).slice(11, 13)) * tick;
    all.bytes += Number(read(pid, 'io').match(/^write_bytes: (\d+)/m)[1]);
    all.rss += Number(read(pid, 'status').match(/^VmRSS:\s+(\d+)/m)[1]);
  }
  return all;
}

// The CPU ticks of a process and of all children it has or had. A child that ends meanwhile would be counted twice or not at all:
// then everything is read again.
function ticksOfAll(pid) {
  for (;;) {
    const own = stat(pid).slice(11, 15);
    try {
      const live = read(pid, `task/${pid}/children`).trim().split(' ').filter(Boolean);
      const ticks = sum(own) + sum(live.map((child) => sum(stat(child).slice(11, 13))));
      if (sum(stat(pid).slice(13, 15)) === own[2] + own[3]) return ticks;
    } catch { /* ended just now */ }
  }
}

// What a PostgreSQL server has used so far: CPU in microseconds, bytes of its log.
export async function serverUsage(server) {
  return { cpu: ticksOfAll(server.pid) * tick, bytes: Number(await server.sql("SELECT pg_current_wal_insert_lsn() - '0/0'")) };
}

// --- Florin end to end ---

let loads = 0;

// wrk on each node at once, the connections divided among them.
async function load(nodes, keys, connections, duration, tokens) {
  const outputs = await Promise.all(nodes.map((node) => runProcess('wrk', ['-t', '1', '-c', String(connections / nodes.length),
    '-d', `${duration}s`, '--timeout', '30s', '-s', join(ROOT, 'tests/bench/pay.lua'), node.api, '--', keys.join(','),
    `${process.pid}-${++loads}`, tokens.join(',')], { timeout: (duration + 60) * 1000 })));
  const runs = outputs.map(({ code, stdout, stderr }) => {
    const result = stdout.match(/^RESULT (.*)$/m)?.[1];
    if (code !== 0 || !result) throw new Error(`wrk: status ${code}\n${stdout}${stderr}`);
    return JSON.parse(result);
  });
  const all = { latency_us: runs.flatMap((run) => run.latency_us) };
  for (const name of ['requests', 'wrong', 'errors']) all[name] = sum(runs.map((run) => run[name]));
  all.per_second = sum(runs.map((run) => (run.requests * 1e6) / run.duration_us));
  return all;
}

// What the provider charged; each page is small beside the run.
async function captures(florin) {
  let n = 0;
  for (let after; ;) {
    const page = await florin.book({ limit: '1000', ...(after && { after }) });
    n += page.charges.filter((charge) => charge.status === 'captured' && charge.captured === 9232).length;
    if (!page.has_more) return n;
    after = page.charges.at(-1).reference;
  }
}

// Every answer was 2xx, and the provider has as many charges, but for what was under way at the end, and when the warming up ended.
async function judge(florin, keys, run, connections, chargedBefore) {
  if (run.wrong || run.errors) throw new Error(`${run.wrong} answers were not 200 captured, ${run.errors} requests failed\n${florin.log(2000)}`);
  const charged = await captures(florin) - chargedBefore;
  if (charged < run.requests || charged > run.requests + 2 * connections)
    throw new Error(`${run.requests} payments were answered as captured, the provider has ${charged}`);
  for (const key of keys) {
    const unknown = (await florin.get('/v1/payments?status=processing&limit=1', { key })).json.data.length;
    if (unknown) throw new Error('a payment is still processing');
  }
}

// One measurement. nodes: the first one has the sandbox. keys: of the merchants. server: the PostgreSQL server, if there is one.
// tokens: what is paid with.
export async function endToEnd({ nodes, keys, connections, server, tokens = ['pm_tok_visa'] }) {
  const [first] = nodes;
  const own = nodes.flatMap((node) => [node.pid, node.processes.api, node.processes.card, node.processes.vault].filter(Boolean));
  const look = async () => [usage(...own), usage(first.processes.sandbox), server ? await serverUsage(server) : undefined];
  await sleep(1000); // idle memory is what it has when nothing has been asked for a while
  const idle = usage(...own);
  if (server) await load(nodes, keys, connections, WARM, tokens);
  const chargedBefore = await captures(first), before = await look();
  const run = await load(nodes, keys, connections, seconds, tokens);
  const after = await look();
  await judge(first, keys, run, connections, chargedBefore);
  const per = (i, what) => rounded((after[i][what] - before[i][what]) / run.requests);
  return {
    connections, nodes: nodes.length, payments: run.requests, per_second: rounded(run.per_second),
    p50_ms: rounded(quantile(run.latency_us, 0.5) / 1000, 2), p99_ms: rounded(quantile(run.latency_us, 0.99) / 1000, 2),
    bytes_per_payment: per(server ? 2 : 0, 'bytes'), cpu_us_per_payment: per(0, 'cpu'),
    ...(server && { server_cpu_us_per_payment: per(2, 'cpu') }),
    sandbox_bytes_per_payment: per(1, 'bytes'), sandbox_cpu_us_per_payment: per(1, 'cpu'),
    rss_idle_mib: rounded(idle.rss / 1024, 1), rss_after_mib: rounded(after[0].rss / 1024, 1),
  };
}

// Says what a row is measured against.
export function compare(row, floor, name) {
  row.ratio = rounded(row.per_second / floor.per_second, 2);
  row.against = name;
}
