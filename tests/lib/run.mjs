// Runs stages of checks, keeps their output in build/logs, counts, and ends with one line `N passed, N failed`.
// Usage: tests/run check|all|ci|STAGE... — a stage of another build is written asan:scenario, tsan:unit and so on; one on PostgreSQL
// postgres:scenario, asan:postgres:scenario; one file of scenarios or faults scenario/NAME. Environment: CRASH_ROUNDS, FUZZ_SECONDS,
// SIM_SEEDS (how many), SIM_FROM (the first; `ci` takes fresh ones), SIM_STATES, CANARIES, TEST_NODE_ROUNDS, TEST_FAILOVERS, TEST_COMMIT_FAULTS, TEST_COPY_PAYMENTS, JOBS.
import { spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import * as os from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startPostgres } from './postgres.mjs';
import { atExit } from './process.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const LOGS = join(ROOT, 'build/logs');
const JOBS = Number(process.env.JOBS ?? (availableParallelism ?? (() => os.cpus().length))());
const VARIANTS = {
  release: { dir: 'build', slow: 1 },
  asan: { dir: 'build-asan', slow: 4 },
  tsan: { dir: 'build-tsan', slow: 8 },
  debug: { dir: 'build-debug', slow: 4 }, // of the simulator alone
};

const CHECK = ['tidy', 'format', 'build', 'unit', 'docs', 'connectors', 'harness', 'web', 'scenario', 'hostile', 'crash', 'sim'];
const POSTGRES = ['postgres:unit', 'postgres:scenario', 'postgres:faults'];
const SANITIZED = ['asan:build', 'asan:unit', 'asan:connectors', 'asan:scenario', 'asan:hostile', 'tsan:build', 'tsan:unit', 'tsan:scenario'];
const PLANS = {
  check: { stages: CHECK, crash: 20, seeds: 40, states: 5000 },
  all: {
    stages: [...CHECK, 'canary', ...POSTGRES, 'postgres:crash', ...SANITIZED, 'asan:crash', 'asan:postgres:unit', 'tsan:postgres:unit',
      'asan:postgres:scenario', 'tsan:postgres:scenario', 'fuzz', 'asan:sim', 'debug:build', 'debug:sim', 'bugs'],
    seeds: 2000, states: 250000, sweep: true, canaries: 10000, crash: 200, postgresCrash: 20, sanitizedCrash: 10, fuzz: 60, nodes: 20, failovers: 20, commits: 100, copy: 100000,
  },
  ci: { stages: [...CHECK, 'canary', ...POSTGRES, ...SANITIZED, 'tsan:postgres:unit', 'fuzz', 'asan:sim', 'debug:build', 'debug:sim'], seeds: 300, fresh: true, states: 20000, canaries: 1000, crash: 40, fuzz: 15, browserOnce: true, nodes: 5, failovers: 3, commits: 20, copy: 5000 },
};

const terminal = process.stdout.isTTY;
const clock = Date.now();
const since = (t) => `${((Date.now() - t) / 1000).toFixed(1)} s`;
const status = (text) => { if (terminal) process.stdout.write(`\r\x1b[K${text}`); };
const say = (text) => { status(''); console.log(text); };

// Runs a command; its output goes to build/logs/NAME.log. Result: {code, out}.
function run(name, command, args, { env = {}, timeout = 900, onLine } = {}) {
  return new Promise((done) => {
    const file = createWriteStream(join(LOGS, `${name.replace(/[/:]/g, '-')}.log`));
    const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let out = '', line = '';
    const stop = (sig) => { try { process.kill(-child.pid, sig); } catch { /* gone */ } };
    const timer = setTimeout(() => { out += `\nnot finished after ${timeout} s\n`; stop('SIGTERM'); setTimeout(() => stop('SIGKILL'), 5000).unref(); }, timeout * 1000);
    const take = (chunk) => {
      file.write(chunk);
      out += chunk;
      if (!onLine) return;
      line += chunk;
      const lines = line.split('\n');
      line = lines.pop();
      lines.forEach(onLine);
    };
    live.add(stop);
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', (error) => { clearTimeout(timer); done({ code: 127, out: out + error.message }); });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      live.delete(stop);
      file.end();
      done({ code: signal ? 128 : code, out });
    });
  });
}
const live = new Set();
atExit(() => { for (const stop of live) stop('SIGTERM'); });

const tail = (text, lines = 60) => text.trimEnd().split('\n').slice(-lines).join('\n');
const number = (text, pattern) => [...text.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
const env = (v) => ({ FLORIN_BIN: join(ROOT, v.dir, 'florin'), TEST_SLOW: String(v.slow) });

// A command that is one check.
async function single(name, command, args, options) {
  const { code, out } = await run(name, command, args, options);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1, report: tail(out) };
}

// A script that ends with `N passed, N failed`.
async function counted(name, command, args, options) {
  const { code, out } = await run(name, command, args, options);
  const [, passed, failed] = out.match(/^(\d+) passed, (\d+) failed$/m) ?? [0, 0, 0];
  const result = { passed: Number(passed), failed: Number(failed) };
  if (result.passed + result.failed === 0 || (code !== 0 && result.failed === 0)) result.failed++;
  if (result.failed) result.report = tail(out);
  return result;
}

// cmocka tells how many tests each program ran; one that ended otherwise counts as one failure.
async function unit(name, v, build, suite, more) {
  const sanitizers = { ASAN_OPTIONS: 'abort_on_error=1:detect_leaks=1', UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1', TSAN_OPTIONS: `halt_on_error=1:suppressions=${join(ROOT, 'tests/lib/tsan.supp')}` };
  const args = ['test', '-C', v.dir, '--no-rebuild', '--suite', suite, '--num-processes', String(JOBS), '--timeout-multiplier', String(v.slow)];
  const { code, out } = await run(name, 'meson', args, { env: { ...(build === 'release' ? {} : sanitizers), ...more }, timeout: 900 });
  const result = { passed: 0, failed: 0, report: '' };
  const log = join(ROOT, v.dir, 'meson-logs/testlog.json');
  const programs = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').filter(Boolean).map(JSON.parse) : [];
  for (const program of programs) {
    const text = `${program.stdout ?? ''}\n${program.stderr ?? ''}`;
    const passed = number(text, /^\[  PASSED  \] (\d+) test/gm), failed = number(text, /^\[  FAILED  \] (\d+) test/gm);
    result.passed += passed;
    result.failed += failed;
    if (program.result !== 'OK' && failed === 0) result.failed++;
    if (program.result === 'OK' && passed === 0) result.passed++;
    if (program.result !== 'OK') result.report += `${program.name}: ${program.result}\n${tail(text, 40)}\n`;
  }
  if ((code !== 0 && result.failed === 0) || programs.length === 0) {
    result.failed++;
    result.report += tail(out);
  }
  return result;
}

// What `florin docs` prints is what stands in docs/.
async function docs(name, v) {
  const result = { passed: 0, failed: 0, report: '' };
  for (const page of ['states', 'errors', 'configuration', 'metrics']) {
    const file = join(ROOT, `docs/${page}.md`);
    const { code, out } = await run(`${name}-${page}`, join(ROOT, v.dir, 'florin'), ['docs', page]);
    if (code === 0 && existsSync(file) && readFileSync(file, 'utf8') === out) result.passed++;
    else {
      result.failed++;
      result.report += `docs/${page}.md is stale: build/florin docs ${page} > docs/${page}.md\n`;
    }
  }
  return result;
}

async function connectors(name, v) {
  const result = { passed: 0, failed: 0, report: '' };
  for (const one of readdirSync(join(ROOT, 'connectors'), { withFileTypes: true })) {
    if (!one.isDirectory()) continue;
    const r = await counted(`${name}-${one.name}`, join(ROOT, v.dir, 'florin'), ['connector', 'test', one.name, '--connectors', join(ROOT, 'connectors')]);
    result.passed += r.passed;
    result.failed += r.failed;
    if (r.report) result.report += `${one.name}:\n${r.report}\n`;
  }
  return result;
}

// Node's runner prints TAP (18, 20) or spec (newer) at the end of a file: `# pass 3`, `ℹ pass 3`.
async function testFile(name, file, { timeout, ...options }) {
  const { code, out } = await run(name, process.execPath, ['--test', file], { timeout, ...options });
  const sum = (word) => number(out, new RegExp(`^[#ℹ] ${word} (\\d+)$`, 'gm'));
  const result = { passed: sum('pass'), failed: sum('fail') + sum('cancelled') };
  if (result.passed + result.failed === 0) { // ended before its summary: what it got to
    result.passed = [...out.matchAll(/^(?:    )?ok \d+ - (?!\/)/gm)].length;
    result.failed = [...out.matchAll(/^(?:    )?not ok \d+ - /gm)].length;
  }
  if (result.passed + result.failed === 0 || (code !== 0 && result.failed === 0)) result.failed++;
  if (result.failed) {
    const from = out.search(/^ *not ok /m);
    result.report = from < 0 ? tail(out) : out.slice(from).split('\n').slice(0, 24).join('\n');
  }
  return result;
}

// The test files of a folder, `jobs` at a time; `only` is the name of one, `without` what is left out.
async function testFiles(name, folder, { only, without = /^$/, jobs = 1, ...options }) {
  const files = readdirSync(join(ROOT, folder)).filter((f) => f.endsWith('.test.mjs') && (only ? f === `${only}.test.mjs` : !without.test(f)));
  const result = { passed: 0, failed: 0, report: '' };
  let left = files.length;
  const queue = [...files];
  if (files.length === 0) Object.assign(result, { failed: 1, report: `no such file in ${folder}` });
  await Promise.all(Array.from({ length: Math.min(jobs, files.length) }, async () => {
    for (let file; (file = queue.shift());) {
      const r = await testFile(`${name}-${file}`, join(folder, file), options);
      result.passed += r.passed;
      result.failed += r.failed;
      if (r.report) result.report += `--- ${file}\n${r.report}\n`;
      status(`${name}: ${--left} files to go, ${result.passed} passed, ${result.failed} failed`);
    }
  }));
  return result;
}

// The simulator: regressions, seeds, states after a loss of power, sweeps. Its figures and the seeds it took are shown. The
// same seeds must give the same hash twice, and in the debug build. With sanitizers a tenth is run: their memory is another, so
// where it runs out is another place.
async function sim(name, v, build, plan) {
  const result = { passed: 0, failed: 0, report: '' };
  const few = build === 'release' ? 1 : 0.1;
  const from = Number(process.env.SIM_FROM ?? (plan.fresh ? Math.floor(Date.now() / 1000) * 1000 : 1));
  const seeds = Math.ceil(Number(process.env.SIM_SEEDS ?? plan.seeds ?? 100) * few);
  const states = Math.ceil(Number(process.env.SIM_STATES ?? plan.states ?? 20000) * few);
  const check = (ok, report) => {
    if (ok) result.passed++;
    else {
      result.failed++;
      result.report += `${report}\n`;
    }
  };
  const one = async (part, args) => {
    const { code, out } = await run(`${name}-${part}`, join(ROOT, v.dir, 'florin-sim'), [...args, '--jobs', String(JOBS)], { timeout: 3600 * v.slow });
    check(code === 0, `florin-sim ${args.join(' ')}\n${tail(out, 20)}`);
    return out;
  };
  const show = (out) => out.split('\n').filter((line) => /violations|times the clock/.test(line) && !/^seed /.test(line)).forEach((line) => say(`     ${line}`));
  const hash = async () => (await one('hash', ['--seeds', '1..10'])).match(/hash (\w+)/)?.[1];
  if (build !== 'asan') {
    const hashes = [await hash(), (build === 'debug' && HASH.get('release')) || await hash()].filter(Boolean);
    HASH.set(build, hashes[0]);
    check(new Set(hashes).size === 1, `the same seeds gave other hashes: ${hashes.join(' ')}`);
  }
  if (build === 'debug') return result;
  const regressions = readFileSync(join(ROOT, 'tests/sim/seeds.txt'), 'utf8').split('\n').filter((line) => /^[0-9]/.test(line));
  for (const line of regressions) {
    const [seed, profile] = line.split(/\s+/);
    await one(`seed-${seed}`, ['--seed', seed, '--profile', profile]);
  }
  say(`     seeds ${from}..${from + seeds - 1}`);
  show(await one('seeds', ['--seeds', `${from}..${from + seeds - 1}`]));
  show(await one('power', ['--power', String(states), '--seed', String(from)]));
  if (plan.sweep) show(await one('sweep', ['--sweep']));
  return result;
}
const HASH = new Map(); // of the builds before

// Work on PostgreSQL: one server for the stage.
async function onPostgres(work) {
  let server;
  try { server = await startPostgres(); } catch (error) { return { passed: 0, failed: 1, report: error.message }; }
  try { return await work({ TEST_STORE: 'postgres', TEST_POSTGRES: server.superUrl }); } finally { server.remove(); }
}

// How often something is broken: what the environment says, or the plan, or the test's own default.
function rounds(plan, build, engine) {
  const crash = build !== 'release' ? plan.sanitizedCrash : engine ? plan.postgresCrash : plan.crash;
  const wanted = { CRASH_ROUNDS: crash ?? 20, TEST_NODE_ROUNDS: plan.nodes, TEST_FAILOVERS: plan.failovers, TEST_COMMIT_FAULTS: plan.commits, TEST_COPY_PAYMENTS: plan.copy, CANARIES: plan.canaries };
  return Object.fromEntries(Object.entries(wanted).map(([name, n]) => [name, process.env[name] ?? n]).filter(([, n]) => n !== undefined));
}

function stage(title, plan) {
  const [, build = 'release', engine, word, only] = title.match(/^(?:(asan|tsan|debug):)?(?:(postgres):)?(\w+)(?:\/([\w-]+))?$/) ?? [];
  const v = VARIANTS[build];
  const name = [build === 'release' ? undefined : build, engine, word, only].filter(Boolean).join('-');
  const progress = { onLine: (line) => status(`${name}: ${line.slice(0, 100)}`) };
  const figures = { onLine: (line) => { if (/^ *[#ℹ] figures /.test(line)) say(line.replace(/^ *[#ℹ] figures /, '     ')); } };
  const often = rounds(plan, build, engine);
  const without = plan.browserOnce && (build !== 'release' || engine) ? /^browser_/ : undefined;
  // What needs a running Florin, on either engine: `more` says on which.
  const running = {
    scenario: (more) => testFiles(name, 'tests/scenario', { only, without, jobs: JOBS, env: { ...env(v), ...more }, timeout: 180 + 60 * v.slow }),
    hostile: (more) => testFiles(name, 'tests/hostile', { only, env: { ...env(v), ...more }, timeout: 120 + 60 * v.slow }),
    canary: (more) => testFiles(name, 'tests/canary', { only, env: { ...env(v), ...often, ...more }, timeout: 900 + (often.CANARIES ?? 1000) / 2 }),
    crash: (more) => counted(name, 'tests/crash/run', [String(often.CRASH_ROUNDS)], { env: { ...env(v), ...more }, timeout: 120 + 20 * v.slow * often.CRASH_ROUNDS, ...progress }),
    unit: engine && ((more) => unit(name, v, build, engine, more)),
    faults: engine && ((more) => testFiles(name, 'tests/postgres', { only, env: { ...env(v), ...often, ...more }, timeout: 900 * v.slow, ...figures })),
  }[word];
  const work = {
    tidy: async () => {
      const own = await counted('tidy-self-test', 'tools/tidy', ['--self-test']);
      const tree = await single('tidy', 'tools/tidy', []);
      return { passed: own.passed + tree.passed, failed: own.failed + tree.failed, report: `${own.report ?? ''}${tree.report ?? ''}` };
    },
    format: () => single(name, 'tools/format', ['--check']),
    build: () => single(name, 'tools/build', [build], { timeout: 1800, ...progress }),
    unit: () => unit(name, v, build, 'unit', {}),
    docs: () => docs(name, v),
    sim: () => sim(name, v, build, plan),
    bugs: () => counted(name, process.execPath, ['tests/sim/run-bugs.mjs', '--jobs', String(JOBS)], { timeout: 7200, ...progress }),
    connectors: () => connectors(name, v),
    web: async () => { // the types, then the pages in Chromium
      const types = only ? { passed: 0, failed: 0 } : await single(`${name}-types`, process.execPath, ['tests/node_modules/typescript/bin/tsc', '-p', 'web/tsconfig.json']);
      const pages = await testFiles(name, 'tests/web', { only, jobs: JOBS, env: env(v), timeout: 180 * v.slow });
      return { passed: types.passed + pages.passed, failed: types.failed + pages.failed, report: `${types.report ?? ''}${pages.report}` };
    },
    harness: () => testFiles(name, 'tests/lib', { only, env: env(v), timeout: 180 }),
    fuzz: () => counted(name, 'tests/fuzz/run', [String(process.env.FUZZ_SECONDS ?? plan.fuzz ?? 60)], { timeout: 1800, ...progress }),
  }[engine ? '' : word] ?? (running && (engine ? () => onPostgres(running) : () => running({})));
  return work && { name: title, build, work, needed: word === 'build' };
}

const asked = process.argv.slice(2);
const plan = PLANS[asked[0]] ?? { stages: asked };
const stages = plan.stages.map((title) => stage(title, plan));
if (stages.length === 0 || stages.includes(undefined)) {
  console.error('usage: tests/run check|all|ci|[asan:|tsan:](tidy|format|build|unit|docs|connectors|harness|web[/NAME]|scenario[/NAME]|hostile|canary|crash|sim|fuzz)|bugs|[asan:|tsan:]postgres:(unit|scenario[/NAME]|faults[/NAME]|crash)...');
  process.exit(2);
}
mkdirSync(LOGS, { recursive: true });
let passed = 0, failed = 0;
const broken = new Set(); // builds that failed: their stages cannot run
for (const { name, build, work, needed } of stages) {
  if (broken.has(build) && !['tidy', 'format', 'fuzz'].includes(name)) continue;
  const begun = Date.now();
  status(`${name} …`);
  const result = await work();
  passed += result.passed;
  failed += result.failed;
  if (result.failed && result.report?.trim()) say(result.report.trimEnd().split('\n').slice(0, 200).join('\n'));
  say(`${result.failed ? 'FAIL' : 'ok  '} ${name.padEnd(22)} ${String(result.passed).padStart(5)} passed, ${result.failed} failed  ${since(begun)}`);
  if (needed && result.failed) broken.add(build);
}
say(`logs are in build/logs; ${since(clock)} in all`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
