// The harness for PostgreSQL itself: servers that die keep what they acknowledged, and the proxy does what it counts.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { program, startPair, startPostgres } from './postgres.mjs';
import { alive, runProcess } from './process.mjs';
import { startProxy } from './proxy.mjs';
import { waitFor } from './wait.mjs';

let pg, url;
before(async () => {
  pg = await startPostgres();
  url = await pg.createDatabase();
  await pg.sql('CREATE TABLE t (n BIGINT NOT NULL PRIMARY KEY)', { url });
});
after(() => pg?.remove());

const numbers = async (at = url, from = pg) => (await from.sql('SELECT n FROM t ORDER BY n', { url: at })).split('\n').filter(Boolean).map(Number);

test('a database belongs to a role that is no superuser', async () => {
  assert.equal(await pg.sql('SELECT rolsuper FROM pg_roles WHERE rolname = current_user', { url }), 'f');
  assert.equal(await pg.sql('SHOW fsync', { url }), 'on');
  await assert.rejects(pg.sql("COPY t FROM PROGRAM 'true'", { url }), /must be superuser/);
});

test('what was acknowledged is there after kill -9, what was not is not, and no process is left', async () => {
  await pg.sql('INSERT INTO t VALUES (1)', { url });
  const open = pg.sql('BEGIN; INSERT INTO t VALUES (2); SELECT pg_sleep(60);', { url }).catch((error) => error);
  await waitFor(() => pg.sql("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND wait_event = 'PgSleep'"));
  const sleeper = Number(await pg.sql("SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"));
  await pg.kill9();
  assert.match((await open).message, /closed the connection|connection to server was lost/);
  assert.ok(!alive(sleeper));
  await pg.restart();
  assert.deepEqual(await numbers(), [1]);
});

test('failover after failover loses no acknowledged commit', async () => {
  const pair = await startPair();
  const both = await pair.createDatabase();
  assert.match(both, /@127\.0\.0\.1:\d+,127\.0\.0\.1:\d+\/t_/);
  const writable = both.replace(/$/, '?target_session_attrs=read-write');
  await pair.sql('CREATE TABLE t (n BIGINT NOT NULL PRIMARY KEY)', { url: writable });
  const acknowledged = [];
  for (let round = 1; round <= 2; round++) {
    let dead = false;
    const writer = (async () => {
      for (let n = round * 1000; !dead; n++)
        await pair.sql(`INSERT INTO t VALUES (${n})`, { url: writable }).then(() => acknowledged.push(n), () => { dead = true; });
    })();
    const before = acknowledged.length;
    await waitFor(() => acknowledged.length > before + 3);
    await pair.fence();
    await pair.promote();
    await writer;
    const there = new Set(await numbers(writable, pair));
    for (const n of acknowledged) assert.ok(there.has(n), `${n} was acknowledged and is gone`);
    await pair.rebuild();
  }
  const states = await pair.sql('SELECT state, sync_state FROM pg_stat_replication');
  assert.equal(states, 'streaming|quorum');
  pair.remove();
});

test('servers end with the process that started them, also when that is killed', async () => {
  const library = fileURLToPath(new URL('postgres.mjs', import.meta.url));
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    const child = spawn(process.execPath, ['--input-type=module', '-e',
      `const pg = await (await import(${JSON.stringify(library)})).startPostgres();
       console.log(pg.pid, pg.folder); setInterval(() => {}, 1000);`], { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (chunk) => (out += chunk));
    const [, pid, folder] = await waitFor(() => out.match(/^(\d+) (.*)\n/), { timeout: 30000 });
    assert.ok(alive(Number(pid)));
    child.kill(signal);
    await waitFor(() => !alive(Number(pid)));
    if (signal === 'SIGTERM') await waitFor(() => !existsSync(folder));
    else await runProcess('rm', ['-rf', folder]); // nobody was left to do it
  }
});

// psql sends COMMIT as a simple query; what it says is what Florin would see.
async function commitThrough(probability, n) {
  const proxy = await startProxy(pg.port, { probability, holeMs: [300, 300] });
  const begun = Date.now();
  const error = await pg.sql(`BEGIN;\nINSERT INTO t VALUES (${n});\nCOMMIT;`, { url: proxy.through(url) }).then(() => undefined, (e) => e);
  await proxy.close();
  return { error, counts: proxy.counts, took: Date.now() - begun, there: (await numbers()).includes(n) };
}

test('the proxy passes everything when it is told to do no harm', async () => {
  const { error, there, counts } = await commitThrough({}, 10);
  assert.deepEqual([error, there], [undefined, true]);
  assert.deepEqual(counts, { sessions: 1, commits: 1, before: 0, after: 0, other: 0, hole: 0 });
});

test('a connection cut before COMMIT is a rollback', async () => {
  const { error, there, counts } = await commitThrough({ before: 1 }, 11);
  assert.match(error.message, /server closed the connection|connection to server was lost/);
  assert.deepEqual([there, counts.before, counts.after], [false, 1, 0]);
});

test('a connection cut after COMMIT has committed', async () => {
  const { error, there, counts } = await commitThrough({ after: 1 }, 12);
  assert.match(error.message, /server closed the connection|connection to server was lost/);
  assert.deepEqual([there, counts.before, counts.after], [true, 0, 1]);
});

test('a connection cut elsewhere, and one that stands still', async () => {
  const cut = await commitThrough({ other: 1 }, 13);
  assert.ok(cut.error);
  assert.deepEqual([cut.there, cut.counts.other], [false, 1]);
  const hole = await commitThrough({ hole: 1 }, 14);
  assert.equal(hole.error, undefined);
  assert.ok(hole.there && hole.took >= 300 && hole.counts.hole > 1, JSON.stringify(hole));
});

test('a prepared COMMIT is one too: pgbench ends at it, and the server has as many rows as the proxy says', async () => {
  const proxy = await startProxy(pg.port, { seed: 7, probability: { before: 0.1, after: 0.1 } });
  const script = 'BEGIN;\nINSERT INTO u VALUES (1);\nCOMMIT;\n';
  await pg.sql('CREATE TABLE u (n BIGINT)', { url });
  for (let i = 0; i < 10; i++)
    await runProcess(program('pgbench'), ['-n', '-M', 'prepared', '-t', '10', '-f', '-', proxy.through(url)], { input: script });
  await proxy.close();
  const { counts } = proxy;
  assert.ok(counts.before > 0 && counts.after > 0 && counts.commits > 20, JSON.stringify(counts));
  assert.equal(Number(await pg.sql('SELECT count(*) FROM u', { url })), counts.commits - counts.before);
});
