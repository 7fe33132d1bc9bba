// The SQLite rows: the hand-written floor (floor.c) and Florin end to end, in turn, each on a fresh database on the same disk.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, startFlorin } from '../lib/florin.mjs';
import { compare, endToEnd, floorSeconds, mean, sizes, status } from './measure.mjs';

function floor(batch) {
  const folder = mkdtempSync(join(process.env.TEST_TMP, 'floor-'));
  try {
    return JSON.parse(execFileSync(join(ROOT, 'build/tests/floor'), [folder, String(batch), String(floorSeconds)], { encoding: 'utf8' }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function cardPayments(connections) {
  const florin = await startFlorin({ args: ['--log-level', 'warn', '--sandbox-webhooks', 'false'] });
  const row = await endToEnd({ nodes: [florin], keys: [florin.secret_key], connections });
  await florin.stop();
  rmSync(florin.dataDir, { recursive: true, force: true });
  return { name: 'card_payment', engine: 'sqlite', ...row };
}

export async function sqliteRows() {
  const rows = [];
  for (const n of sizes('1,16,64,256')) {
    status(`SQLite, ${n} at a time …`);
    const first = floor(n);
    const florin = await cardPayments(n);
    const under = { ...mean([first, floor(n)]), seconds: 2 * floorSeconds };
    compare(florin, under, `floor at batch ${n}`);
    rows.push(under, florin);
  }
  return rows;
}
