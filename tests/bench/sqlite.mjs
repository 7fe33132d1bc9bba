// The SQLite rows: the hand-written floor (floor.c) and Florin end to end, in turn, each on a fresh database on the same disk.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, startFlorin } from '../lib/florin.mjs';
import { newCard } from '../lib/vault_cards.mjs';
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

// What the split into roles costs: the same payments with cards of the vault, and with tokens, in turn on one Florin.
async function vaultCards(connections) {
  const florin = await startFlorin({ args: ['--log-level', 'warn', '--sandbox-webhooks', 'false'] });
  const cards = [];
  for (let i = 0; i < 200; i++) cards.push((await newCard(florin, '4242424242424242')).payment_method_token);
  const measured = { tokens: [], cards: [] };
  for (const kind of ['tokens', 'cards', 'cards', 'tokens'])
    measured[kind].push(await endToEnd({ nodes: [florin], keys: [florin.secret_key], connections, ...(kind === 'cards' && { tokens: cards }) }));
  await florin.stop();
  rmSync(florin.dataDir, { recursive: true, force: true });
  const tokens = { name: 'token_payment', engine: 'sqlite', ...mean(measured.tokens) }, row = { name: 'vault_payment', engine: 'sqlite', ...mean(measured.cards) };
  compare(row, tokens, 'the same with tokens, in turn');
  return [tokens, row];
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
  status('Cards of the vault …');
  rows.push(...await vaultCards(64));
  return rows;
}
