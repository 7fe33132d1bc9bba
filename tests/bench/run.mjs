// make bench: the floor and Florin end to end, in turn, each on a fresh database on the same disk. Prints a table and writes
// build/bench.json. Environment: SECONDS_FLOOR (default 4), SECONDS_EACH (default 8), SIZES (default "1,16,64,256").
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT, startFlorin } from '../lib/florin.mjs';

const build = join(ROOT, 'build');
const floorSeconds = Number(process.env.SECONDS_FLOOR ?? 4);
const seconds = Number(process.env.SECONDS_EACH ?? 8);
const sizes = (process.env.SIZES ?? '1,16,64,256').split(',').map(Number);
const work = join(build, 'bench'); // not the temporary folder, which may be no disk
mkdirSync(work, { recursive: true });
process.env.TEST_TMP = work;

const tick = 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const rounded = (value, digits = 0) => Math.round(value * 10 ** digits) / 10 ** digits;
const mean = (a, b) => (a + b) / 2;

function floor(batch) {
  const folder = mkdtempSync(join(work, 'floor-'));
  try {
    return JSON.parse(execFileSync(join(build, 'tests/floor'), [folder, String(batch), String(floorSeconds)], { encoding: 'utf8' }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// What processes have used so far: CPU in microseconds, bytes handed to the disk, resident memory in KiB.
function usage(...pids) {
  const sum = { cpu: 0, bytes: 0, rss: 0 };
  for (const pid of pids) {
    const read = (file) => readFileSync(`/proc/${pid}/${file}`, 'utf8');
    const stat = read('stat').split(') ')[1].split(' ');
    sum.cpu += (Number(stat[11]) + Number(stat[12])) * tick;
    sum.bytes += Number(read('io').match(/^write_bytes: (\d+)/m)[1]);
    sum.rss += Number(read('status').match(/^VmRSS:\s+(\d+)/m)[1]);
  }
  return sum;
}

// Not spawnSync: sockets of this process must be served meanwhile.
function output(command, args) {
  return new Promise((done, failed) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => (out += chunk));
    child.on('error', failed);
    child.on('close', (code) => (code === 0 ? done(out) : failed(new Error(`${command}: status ${code}\n${out}`))));
  });
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

// Every answer was 200 captured (pay.lua looks), and the provider has as many charges, but for what was under way at the end.
async function judge(florin, run, connections) {
  if (run.wrong || run.errors) throw new Error(`${run.wrong} answers were not 200 captured, ${run.errors} requests failed`);
  const charged = await captures(florin);
  if (charged < run.requests || charged > run.requests + connections)
    throw new Error(`${run.requests} payments were answered as captured, the provider has ${charged}`);
  const unknown = (await florin.get('/v1/payments?status=processing&limit=1')).json.data.length;
  if (unknown) throw new Error('a payment is still processing');
}

async function endToEnd(connections) {
  const florin = await startFlorin({ args: ['--log-level', 'warn'] });
  const own = [florin.pid, florin.processes.api], other = [florin.processes.sandbox];
  await sleep(1000); // idle memory is what it has when nothing has been asked for a while
  const before = [usage(...own), usage(...other)];
  const out = await output('wrk', ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '30s', '-s',
    join(ROOT, 'tests/bench/pay.lua'), florin.api, '--', florin.secret_key, `${process.pid}-${connections}`]);
  const after = [usage(...own), usage(...other)];
  const run = JSON.parse(out.match(/^RESULT (.*)$/m)?.[1] ?? 'null');
  if (!run) throw new Error(`wrk said: ${out}`);
  await judge(florin, run, connections);
  await florin.stop();
  rmSync(florin.dataDir, { recursive: true, force: true });
  const per = (i, what) => rounded((after[i][what] - before[i][what]) / run.requests);
  return {
    name: 'card_payment', engine: 'sqlite', connections, payments: run.requests, per_second: rounded((run.requests * 1e6) / run.duration_us),
    p50_ms: run.p50_us / 1000, p99_ms: run.p99_us / 1000, bytes_per_payment: per(0, 'bytes'), cpu_us_per_payment: per(0, 'cpu'),
    sandbox_bytes_per_payment: per(1, 'bytes'), sandbox_cpu_us_per_payment: per(1, 'cpu'),
    rss_idle_mib: rounded(before[0].rss / 1024, 1), rss_after_mib: rounded(after[0].rss / 1024, 1),
  };
}

const rows = [];
for (const n of sizes) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${n} at a time …`);
  const first = floor(n);
  const florin = await endToEnd(n);
  const second = floor(n); // the machine drifts: the floor is the mean of before and after
  const under = { ...first, payments: first.payments + second.payments, seconds: 2 * floorSeconds };
  for (const key of ['per_second', 'bytes_per_payment', 'cpu_us_per_payment']) under[key] = rounded(mean(first[key], second[key]));
  for (const key of ['p50_ms', 'p99_ms']) under[key] = rounded(mean(first[key], second[key]), 2);
  florin.ratio = rounded(florin.per_second / under.per_second, 2);
  florin.against = `floor at batch ${n}`;
  rows.push(under, florin);
}
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
writeFileSync(join(build, 'bench.json'), `${JSON.stringify(rows, null, 2)}\n`);

const columns = {
  name: 'name', size: 'at a time', per_second: 'payments/s', p50_ms: 'p50 ms', p99_ms: 'p99 ms', ratio: 'ratio', bytes_per_payment: 'bytes',
  cpu_us_per_payment: 'CPU µs', sandbox_cpu_us_per_payment: 'sandbox µs', rss_idle_mib: 'idle MiB', rss_after_mib: 'after MiB',
};
const keys = Object.keys(columns);
const table = [Object.values(columns), ...rows.map((row) => keys.map((key) => String(key === 'size' ? row.batch ?? row.connections : row[key] ?? '')))];
const width = keys.map((_, i) => Math.max(...table.map((line) => line[i].length)));
for (const line of table) console.log(line.map((cell, i) => (i ? cell.padStart(width[i]) : cell.padEnd(width[i]))).join('  '));
console.log('ratio: end to end against the floor at the same size; bytes and CPU are per payment; in build/bench.json too');
