// make bench: the floor and Florin end to end, in turn, each on a fresh database on the same disk. Prints a table, writes
// build/bench.json. Environment: SECONDS_EACH (default 6), SIZES (default "1,16,64,256").
import { spawn, execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..');
const build = join(root, 'build');
const seconds = Number(process.env.SECONDS_EACH ?? 6);
const sizes = (process.env.SIZES ?? '1,16,64,256').split(',').map(Number);
const floorProgram = join(build, 'tests/floor');
const work = join(build, 'bench');
mkdirSync(work, { recursive: true });

const fresh = () => mkdtempSync(join(work, 'run-'));

function floor(batch) {
  const dir = fresh();
  const row = JSON.parse(execFileSync(floorProgram, [dir, String(batch), String(seconds)], { encoding: 'utf8' }));
  rmSync(dir, { recursive: true });
  return row;
}

// What a process has used so far: CPU in microseconds, bytes handed to the disk, resident memory in KiB.
function usage(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  const io = readFileSync(`/proc/${pid}/io`, 'utf8').match(/^write_bytes: (\d+)/m);
  const rss = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+)/m);
  return { cpu: (Number(stat[11]) + Number(stat[12])) * 10000, bytes: Number(io[1]), rss: Number(rss[1]) };
}

async function waitFor(file) {
  for (let i = 0; i < 600; i++, await sleep(50)) if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  throw new Error('florin up did not become ready');
}

async function endToEnd(connections) {
  const dir = fresh();
  const ready = join(dir, 'ready.json');
  const florin = spawn(join(build, 'florin'), ['up', '--data', join(dir, 'data'), '--api', '127.0.0.1:0', '--public', '127.0.0.1:0',
    '--sandbox', '127.0.0.1:0', '--ready-file', ready, '--log-level', 'warn'], { stdio: ['ignore', 'ignore', 'inherit'] });
  try {
    const up = await waitFor(ready);
    const { api, sandbox } = up.processes;
    await sleep(1000);
    const idle = usage(api).rss;
    const before = [usage(api), usage(sandbox)];
    const out = spawnSync('wrk', ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '30s', '-s',
      join(root, 'tests/bench/pay.lua'), up.api, '--', up.secret_key, `${process.pid}-${connections}`], { encoding: 'utf8' });
    const line = out.stdout?.match(/^RESULT (.*)$/m);
    if (!line) throw new Error(`wrk: ${out.stderr || out.stdout || out.error}`);
    const r = JSON.parse(line[1]);
    const after = [usage(api), usage(sandbox)];
    if (r.wrong || r.errors) throw new Error(`${r.wrong} answers were not 200 captured, ${r.errors} errors`);
    const per = (i, k) => Math.round((after[i][k] - before[i][k]) / r.requests);
    return { name: 'card_payment', engine: 'sqlite', connections, payments: r.requests,
      per_second: Math.round(r.requests * 1e6 / r.duration_us), p50_ms: r.p50_us / 1000, p99_ms: r.p99_us / 1000,
      bytes_per_payment: per(0, 'bytes'), cpu_us_per_payment: per(0, 'cpu'), sandbox_cpu_us_per_payment: per(1, 'cpu'),
      rss_idle_mib: Math.round(idle / 102.4) / 10, rss_after_mib: Math.round(after[0].rss / 102.4) / 10 };
  } finally {
    florin.kill('SIGTERM');
    await new Promise((done) => florin.once('exit', done));
    rmSync(dir, { recursive: true, force: true });
  }
}

const rows = [];
for (const n of sizes) {
  const f = floor(n);
  const e = await endToEnd(n);
  const g = floor(n); // the machine drifts: the floor is the mean of before and after
  f.per_second = Math.round((f.per_second + g.per_second) / 2);
  e.ratio = Math.round(e.per_second / f.per_second * 100) / 100;
  e.against = `floor at batch ${n}`;
  rows.push(f, e);
}
writeFileSync(join(build, 'bench.json'), JSON.stringify(rows, null, 2) + '\n');
const cols = ['name', 'size', 'per_second', 'p50_ms', 'p99_ms', 'ratio', 'bytes_per_payment', 'cpu_us_per_payment', 'sandbox_cpu_us_per_payment',
  'rss_idle_mib', 'rss_after_mib'];
const table = [cols, ...rows.map((r) => cols.map((c) => String(c === 'size' ? r.batch ?? r.connections : r[c] ?? '')))];
const width = cols.map((_, i) => Math.max(...table.map((t) => t[i].length)));
for (const t of table) console.log(t.map((v, i) => (i ? v.padStart(width[i]) : v.padEnd(width[i]))).join('  '));
