// make bench: the floors and Florin end to end, in turn, on the same disk. Prints a table and writes build/bench.json. Environment:
//   ENGINES         default "sqlite,postgres"
//   SIZES           requests at a time; default "1,16,64,256", on PostgreSQL "16,64"
//   SECONDS_FLOOR   of each measurement of a floor; default 4
//   SECONDS_EACH    of each measurement of Florin; default 8
//   ROUNDS          how often each row of PostgreSQL is measured; default 3
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../lib/florin.mjs';
import { engines, status } from './measure.mjs';
import { postgresRows } from './postgres.mjs';
import { sqliteRows } from './sqlite.mjs';

const build = join(ROOT, 'build');
const work = join(build, 'bench'); // not the temporary folder, which may be no disk
mkdirSync(work, { recursive: true });
process.env.TEST_TMP = work;
delete process.env.TEST_STORE; // the rows say what they are measured on

const rows = [];
if (engines.includes('sqlite')) rows.push(...await sqliteRows());
if (engines.includes('postgres')) rows.push(...await postgresRows());
status('');
writeFileSync(join(build, 'bench.json'), `${JSON.stringify(rows, null, 2)}\n`);

const columns = {
  name: 'name', engine: 'engine', size: 'at a time', nodes: 'nodes', per_second: 'payments/s', p50_ms: 'p50 ms', p99_ms: 'p99 ms', ratio: 'ratio', ratio_pipelined: 'pipelined',
  bytes_per_payment: 'bytes', cpu_us_per_payment: 'CPU µs', server_cpu_us_per_payment: 'server µs', sandbox_cpu_us_per_payment: 'sandbox µs',
  rss_idle_mib: 'idle MiB', rss_after_mib: 'after MiB',
};
const keys = Object.keys(columns);
const table = [Object.values(columns), ...rows.map((row) => keys.map((key) => String(key === 'size' ? row.batch ?? row.connections : row[key] ?? '')))];
const width = keys.map((_, i) => Math.max(...table.map((line) => line[i].length)));
const text = (i) => i < 2; // columns of words
for (const line of table) console.log(line.map((cell, i) => (text(i) ? cell.padEnd(width[i]) : cell.padStart(width[i]))).join('  '));
console.log(`ratio: end to end against the floor, on SQLite at the same size (vault_payment: against token_payment), on PostgreSQL floor_plain with as many merchants (pipelined:
floor_pipelined);
bytes and CPU are per payment, bytes on PostgreSQL those of its log (WAL); in build/bench.json too`);
