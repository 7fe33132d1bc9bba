#!/usr/bin/env node
// Stands in for the program in harness.test.mjs: becomes ready, and ends in the way that FAKE says.
import { writeFileSync } from 'node:fs';

const option = (name) => process.argv[process.argv.indexOf(name) + 1];
const way = process.env.FAKE;
if (way === 'never') process.exit(2);
setInterval(() => {}, 1000);
process.on('SIGTERM', () => {
  if (way === 'stuck') return;
  if (way === 'report') writeFileSync(`${process.env.ASAN_OPTIONS.match(/log_path=([^:]*)/)[1]}.1`, 'ERROR: AddressSanitizer: heap-use-after-free\n');
  if (way === 'words') console.error('src/a.c:1:2: runtime error: signed integer overflow');
  process.exit(way === 'status' ? 1 : 0);
});
const ready = { api: 'http://127.0.0.1:1', public: 'http://127.0.0.1:1', sandbox: 'http://127.0.0.1:1', pid: process.pid, processes: { api: process.pid } };
writeFileSync(option('--ready-file'), JSON.stringify(ready));
