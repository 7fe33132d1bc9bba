// Several nodes of one Florin: `florin serve` processes with one database, one master key and one sandbox provider.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FLORIN, asArgs, newFolder, startFlorin } from './florin.mjs';
import { atExit, endAll, runProcess } from './process.mjs';
import { waitFor } from './wait.mjs';

// The sandbox provider by itself: {url, stop}.
async function startProvider(args) {
  const folder = newFolder(), log = openSync(join(folder, 'sandbox.log'), 'a');
  const child = spawn(FLORIN, ['sandbox', '--data', folder, '--sandbox', '127.0.0.1:0', ...args], { cwd: folder, stdio: ['ignore', 'pipe', log] });
  closeSync(log);
  atExit(() => child.kill('SIGKILL'));
  let out = '', how;
  child.stdout.setEncoding('utf8').on('data', (chunk) => (out += chunk));
  child.on('error', (error) => { how = error; });
  child.on('exit', (code, signal) => { how = { code, signal }; });
  const line = await waitFor(() => {
    assert.equal(how, undefined, `florin sandbox ended: ${readFileSync(join(folder, 'sandbox.log'), 'utf8').slice(-3000)}`);
    return out.includes('\n') && out;
  }, { timeout: 30000 });
  return {
    url: JSON.parse(line).sandbox,
    async stop() {
      child.kill('SIGTERM');
      await waitFor(() => how, { timeout: 30000 });
      assert.deepEqual(how, { code: 0, signal: null }, 'the sandbox provider ends with status 0');
    },
  };
}

async function command(...args) {
  const result = await runProcess(FLORIN, args);
  assert.equal(result.code, 0, `florin ${args[0]}: ${result.stdout}${result.stderr}`);
  return result.stdout;
}

// Starts `count` nodes on a database: {nodes, provider, stop}. Each node is what startFlorin gives, with the key of one merchant
// whose payments go to the provider.
export async function startNodes({ count, store, settings = {} }) {
  const folder = newFolder(), place = ['--data', folder, '--store', store];
  await command('migrate', ...place); // the schema, and the master key in the folder
  const { key, merchant_id } = JSON.parse(await command('keys', 'create', '--new-merchant', 'Nodes', '--json', ...place));
  const args = asArgs(settings);
  const provider = await startProvider(args);
  const known = { secret_key: key, merchant_id, sandbox: provider.url };
  const shared = ['--vault', 'none', '--confinement', 'best', '--key-file', join(folder, 'master.key'), '--provider-allow-private', 'true', '--webhook-allow-private', 'true'];
  const nodes = await Promise.all(Array.from({ length: count }, () => startFlorin({ command: 'serve', store, known, args: [...shared, ...args] })));
  const account = await nodes[0].post('/v1/provider_accounts', { connector: 'sandbox', credentials: { base_url: provider.url, api_key: 'sandbox' } });
  assert.equal(account.status, 200, account.text);
  return {
    nodes,
    provider,
    stop: () => endAll(...nodes.map((node) => () => node.stop()), () => provider.stop()),
  };
}
