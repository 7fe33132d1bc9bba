// Tests the tester: builds florin-sim with each of the mistakes in bugs.mjs, bugs_cards.mjs and bugs_roles.mjs, in copies of the sources under build-bugs,
// and looks whether the simulator finds it. Usage:
//
//   node tests/sim/run-bugs.mjs [--only NAME,…] [--seeds-max 400] [--jobs 2] [--markdown] [--compile]
//
// A bug is found when a seed shows one of the violations it is expected to cause, and the unchanged program shows none at that seed. --markdown prints the table of
// docs/simulator.md; --compile only applies each change and builds. Output is kept in build-bugs/logs. Exit status 1: a bug was not
// found, or what it changes is no longer in the sources. Ends with `N passed, N failed`.
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alive, atExit, runProcess } from '../lib/process.mjs';
import { bugs as olderBugs } from './bugs.mjs';
import { bugs as cardsBugs } from './bugs_cards.mjs';
import { bugs as rolesBugs } from './bugs_roles.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const WORK = join(ROOT, 'build-bugs');
const LOGS = join(WORK, 'logs');
const COPIED = ['src', 'connectors', 'tools', 'web', 'meson.build', 'meson_options.txt', 'tests/meson.build', 'tests/bench/floor.c', 'tests/web/card_host.c', 'tests/hostile'];
const OPTIONS = ['-Dbuildtype=debugoptimized', '-Doptimization=2', '-Ddebug=false'];
const BUILD_MS = 1800000, SIM_MS = 3600000;
const bugs = [...olderBugs, ...cardsBugs, ...rolesBugs];

function usage(message) {
  console.error(`${message}\nusage: node tests/sim/run-bugs.mjs [--only NAME,…] [--seeds-max N] [--jobs N] [--markdown] [--compile]`);
  process.exit(2);
}

function readOptions(args) {
  const options = { only: [], seedsMax: 400, jobs: 2, markdown: false, compile: false };
  const value = (name, pattern) => {
    const text = args.shift();
    if (text === undefined || !pattern.test(text)) usage(`${name} needs a value`);
    return text;
  };
  while (args.length) {
    const name = args.shift();
    if (name === '--only') options.only = value(name, /./).split(',');
    else if (name === '--seeds-max') options.seedsMax = Number(value(name, /^[1-9]\d*$/));
    else if (name === '--jobs') options.jobs = Number(value(name, /^[1-9]\d*$/));
    else if (name === '--markdown') options.markdown = true;
    else if (name === '--compile') options.compile = true;
    else usage(`${name} is not understood`);
  }
  for (const name of options.only) if (!bugs.some((bug) => bug.name === name)) usage(`there is no bug ${name}`);
  return options;
}

const options = readOptions(process.argv.slice(2));
const say = options.markdown ? console.error : console.log; // the table stands alone
const tail = (text, lines = 40) => text.trimEnd().split('\n').slice(-lines).join('\n');
const complaints = (text) => tail(text.split('\n').filter((one) => !/^(\[\d+\/\d+\]|cc |ninja: Entering)/.test(one)).join('\n')); // of a build

// --- copies of the sources ---
// The build also makes programs of tests.
for (const folder of readdirSync(join(ROOT, 'tests'), { withFileTypes: true }).filter((one) => one.isDirectory() && one.name !== 'node_modules'))
  COPIED.push(...readdirSync(join(ROOT, 'tests', folder.name)).filter((name) => /\.[ch]$|^meson\.build$/.test(name)).map((name) => `tests/${folder.name}/${name}`));

function filesOf(root, path) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [path];
  return readdirSync(full).flatMap((name) => filesOf(root, join(path, name)));
}

// Only what differs is written, so that little is built again.
function synchronize(tree) {
  const wanted = new Set(COPIED.flatMap((path) => filesOf(ROOT, path)));
  for (const path of COPIED.flatMap((one) => filesOf(tree, one))) if (!wanted.has(path)) rmSync(join(tree, path));
  for (const path of wanted) {
    const from = join(ROOT, path), to = join(tree, path);
    if (existsSync(to) && readFileSync(to).equals(readFileSync(from))) continue;
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, to);
  }
  return [...wanted].filter((path) => /\.[ch]$|meson/.test(path)).sort().join('\n'); // what Meson looks at when it configures
}

// The files of a bug as they were and as they are to be. Throws when a text is not there, or not once.
function changed(bug, root) {
  const files = new Map();
  for (const { file, from, to } of bug.edits) {
    const path = join(root, file);
    if (!existsSync(path)) throw new Error(`there is no ${file}`);
    const { before, after } = files.get(path) ?? { before: readFileSync(path, 'utf8'), after: readFileSync(path, 'utf8') };
    const pieces = after.split(from);
    if (pieces.length !== 2) throw new Error(`stands ${pieces.length - 1} times in ${file}, not once: ${JSON.stringify(from)}`);
    files.set(path, { before, after: pieces.join(to) });
  }
  return files;
}

const write = (files, which) => { for (const [path, texts] of files) writeFileSync(path, texts[which]); };

// --- building and running ---
async function command(log, name, args, { ms, cwd }) {
  const result = await runProcess(name, args, { timeout: ms, cwd });
  writeFileSync(join(LOGS, log), `${name} ${args.join(' ')}\n${result.stdout}${result.stderr}`);
  return result;
}

const compile = (tree, log) => command(log, 'nice', ['ninja', '-C', join(tree.path, 'build'), '-j', '1', tree.target], { ms: BUILD_MS, cwd: tree.path });

async function prepare(number) {
  const path = join(WORK, `tree-${number}`), build = join(path, 'build'), known = join(build, '.configured');
  const signature = `${OPTIONS.join(' ')}\n${synchronize(path)}`;
  if (!existsSync(known) || readFileSync(known, 'utf8') !== signature) {
    const again = existsSync(join(build, 'meson-private/coredata.dat')) ? ['--reconfigure'] : [];
    const { code, stdout, stderr } = await command(`tree-${number}-setup.log`, 'meson', ['setup', build, path, ...OPTIONS, ...again], { ms: BUILD_MS, cwd: path });
    if (code !== 0) throw new Error(`meson setup: ${tail(stdout + stderr)}`);
    writeFileSync(known, signature);
  }
  const simulator = /^build src\/sim\/florin-sim:/m.test(readFileSync(join(build, 'build.ninja'), 'utf8'));
  if (!simulator && !options.compile) throw new Error('there is no florin-sim');
  const tree = { path, target: simulator ? 'src/sim/florin-sim' : 'src/main/florin', unchanged: join(path, 'unchanged') };
  const { code, stdout } = await compile(tree, `tree-${number}-build.log`);
  if (code !== 0) throw new Error(`the unchanged sources cannot be built:\n${complaints(stdout)}`);
  copyFileSync(join(build, tree.target), tree.unchanged);
  return tree;
}

// The first violation of these seeds: {seed, what}; undefined: none.
async function simulate(tree, program, bug, from, to, log) {
  const args = ['--seeds', `${from}..${to}`, '--stop', ...(bug.profile ? ['--profile', bug.profile] : [])];
  const { code, signal, stdout, stderr } = await command(log, 'nice', [program, ...args], { ms: SIM_MS, cwd: tree.path });
  const [, seed, what] = stdout.match(/^VIOLATION seed (\d+): (.*)$/m) ?? [];
  if (code === 1 && seed) return { seed: Number(seed), what };
  if (code === 0) return undefined;
  throw new Error(`florin-sim ended with ${signal ?? code}: ${tail(stdout + stderr, 8)}`);
}

// Seeds at which the unchanged program fails tell nothing of a bug; they are reported. Connectors are read when it runs: meanwhile they are
// as they were.
const unchanged = new Map();
async function unchangedAt(tree, bug, files, seed) {
  const key = `${bug.profile ?? ''} ${seed}`, read = new Map([...files].filter(([path]) => path.endsWith('.lua')));
  write(read, 'before');
  if (!unchanged.has(key)) unchanged.set(key, simulate(tree, tree.unchanged, bug, seed, seed, `unchanged-${key.trim().replace(' ', '-')}.log`));
  const found = await unchanged.get(key);
  write(read, 'after');
  return found;
}

const invariantOf = (what) => what.split(/[:\s]/)[0];

// {seed, what} of the violation that tells of the bug, or {others}: what else was seen, and where.
async function search(tree, bug, files) {
  const others = new Map();
  for (let from = 1; from <= options.seedsMax;) {
    const found = await simulate(tree, join(tree.path, 'build', tree.target), bug, from, options.seedsMax, `${bug.name}.log`);
    if (!found) break;
    const invariant = invariantOf(found.what), expected = bug.expect.split(' ').includes(invariant);
    if (!await unchangedAt(tree, bug, files, found.seed)) {
      if (expected) return found;
      if (!others.has(invariant)) others.set(invariant, found);
    }
    from = found.seed + 1;
  }
  return { others: [...others.values()] };
}

// {seed, invariant, seconds} or {failure, seconds}
async function tryBug(tree, bug) {
  const begun = Date.now();
  const done = (result) => ({ ...result, bug, seconds: (Date.now() - begun) / 1000 });
  let files;
  try { files = changed(bug, tree.path); } catch (error) { return done({ failure: `STALE: ${error.message}` }); }
  try {
    write(files, 'after');
    const { code, stdout } = await compile(tree, `${bug.name}-build.log`);
    if (code !== 0) return done({ failure: `STALE: it does not compile\n${complaints(stdout)}` });
    if (options.compile) return done({ seed: 0, invariant: 'compiles' });
    const found = await search(tree, bug, files);
    const seen = found.others?.map(({ seed, what }) => `, but ${what} at seed ${seed}`).join('');
    if (found.others && bug.missed) return done({ missed: true });
    if (bug.missed) return done({ failure: `FOUND at seed ${found.seed}, although it is said to be missed` });
    if (found.others) return done({ failure: `NOT FOUND as ${bug.expect} in seeds 1..${options.seedsMax}${seen}` });
    return done({ seed: found.seed, invariant: invariantOf(found.what) });
  } catch (error) {
    return done({ failure: `FAILED: ${error.message}` });
  } finally {
    write(files, 'before');
  }
}

// --- what came out ---
const WIDTH = Math.max(...bugs.map((bug) => bug.name.length));

function line({ bug, seed, invariant, failure, missed, seconds }) {
  const head = bug.name.padEnd(WIDTH), time = `${seconds.toFixed(1)} s`;
  if (missed) return `${head}  not found, as is known: ${bug.missed}  ${time}`;
  if (failure) return `${head}  ${failure}  ${time}`;
  if (options.compile) return `${head}  ${invariant}  ${time}`;
  return `${head}  found at seed ${String(seed).padStart(3)}  ${invariant.padEnd(9)}  ${time.padStart(7)}`;
}

function table(results) {
  console.log('| bug | what is wrong | seen as | seeds |\n|---|---|---|---:|');
  for (const { bug, seed, invariant, failure, missed } of results)
    console.log(`| \`${bug.name}\` | ${bug.about} | ${failure || missed ? 'not found' : invariant} | ${failure || missed ? '' : seed} |`);
}

function summary(results) {
  const found = results.filter((result) => !result.failure && !result.missed);
  const seeds = found.map((result) => result.seed).sort((a, b) => a - b);
  const median = seeds.length ? (seeds[(seeds.length - 1) >> 1] + seeds[seeds.length >> 1]) / 2 : 0;
  const head = `${found.length} of ${results.length} seeded bugs`;
  return options.compile ? `${head} compile` : `${head} found, median ${median} seeds, most ${seeds.at(-1) ?? 0}`;
}

async function failingUnchanged() {
  const failing = [];
  for (const [key, result] of unchanged) {
    const found = await result;
    if (found) failing.push(`${key.trim()}: ${found.what}`);
  }
  return failing;
}

// Two runs would change the same copies.
function lock() {
  const file = join(WORK, 'running');
  const other = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  if (other && alive(other)) {
    console.error(`run-bugs: process ${other} is at work in ${WORK}`);
    process.exit(1);
  }
  writeFileSync(file, String(process.pid));
  atExit(() => rmSync(file, { force: true }));
}

mkdirSync(LOGS, { recursive: true });
lock();
const chosen = options.only.length ? bugs.filter((bug) => options.only.includes(bug.name)) : bugs;
const queue = [...chosen], results = new Map();
await Promise.all(Array.from({ length: Math.min(options.jobs, queue.length) }, async (_, number) => {
  const tree = await prepare(number);
  for (let bug; (bug = queue.shift());) {
    const result = await tryBug(tree, bug);
    results.set(bug, result);
    say(line(result));
  }
})).catch((error) => {
  console.error(`run-bugs: ${error.message}`);
  process.exit(1);
});

const ordered = chosen.map((bug) => results.get(bug));
const failing = await failingUnchanged();
if (options.markdown) table(ordered);
for (const one of failing) say(`the unchanged program fails too at seed ${one}`);
console.log(`${options.markdown ? '\n' : ''}${summary(ordered)}`);
const failed = ordered.filter((result) => result.failure).length + failing.length;
say(`${ordered.length + failing.length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
