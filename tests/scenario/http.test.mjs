// HTTP itself: methods, limits, framing. What is refused is refused with a problem document and leaves nothing behind.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { assertOk, assertProblem, data, newKey, pay, payment, SLOW, start, verifyLedger, waitFor } from './support.mjs';

const BODY_MAX = 65536, HEADER_MAX = 8192, READ_TIMEOUT = 800 * SLOW;
let florin, host, port, rowsBefore;

async function rows() {
  const { journals, events } = await verifyLedger(florin);
  return { journals, events, payments: (await data(florin, '/v1/payments?limit=100')).length };
}

before(async () => {
  florin = await start({
    settings: {
      'http-body-bytes-max': BODY_MAX,
      'http-header-bytes-max': HEADER_MAX,
      'http-read-timeout-ms': READ_TIMEOUT,
      'http-json-depth-max': 8,
    },
  });
  const url = new URL(florin.api);
  host = url.hostname;
  port = Number(url.port);
  await pay(florin);
  rowsBefore = await rows();
});
after(async () => { await florin?.stop(); });

// Sends bytes and reads until the peer closes or `enough` says so. Nothing here waits without a deadline.
function talk(chunks, { enough = () => false, timeout = 8000 * SLOW, to = port } = {}) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port: to });
    let received = '';
    const timer = setTimeout(() => { socket.destroy(); reject(new Error(`no end of the answer: ${received.slice(0, 300)}`)); }, timeout);
    const done = () => { clearTimeout(timer); socket.destroy(); resolve(received); };
    socket.on('data', (chunk) => { received += chunk.toString('latin1'); if (enough(received)) done(); });
    socket.on('end', done);
    socket.on('error', () => done()); // a reset after the answer was read is the peer's right
    socket.on('connect', () => { for (const chunk of [].concat(chunks)) socket.write(chunk); });
  });
}

function parse(text) {
  const split = text.indexOf('\r\n\r\n');
  const [line, ...lines] = text.slice(0, split).split('\r\n');
  const headers = {};
  for (const header of lines) headers[header.slice(0, header.indexOf(':')).toLowerCase()] = header.slice(header.indexOf(':') + 1).trim();
  const body = text.slice(split + 4);
  let json;
  try { json = JSON.parse(body); } catch { json = undefined; }
  return { status: Number(line.split(' ')[1]), headers, text: body, json };
}

const head = (lines, line = 'POST /v1/payments HTTP/1.1') =>
  [line, `Host: ${host}`, `Authorization: Bearer ${florin.secret_key}`, ...lines, '', ''].join('\r\n');
const json = JSON.stringify(payment());
const whole = (text) => { // one answer with Content-Length
  const at = text.indexOf('\r\n\r\n');
  const length = /content-length: *(\d+)/i.exec(text.slice(0, at));
  return at > 0 && length && Buffer.byteLength(text.slice(at + 4), 'latin1') >= Number(length[1]);
};
const send = async (chunks, options) => parse(await talk(chunks, { enough: whole, ...options }));

// --- methods ---

for (const [method, path, allow] of [
  ['GET', '/v1/payments/ID/capture', 'OPTIONS, POST'],
  ['PUT', '/v1/payments', 'GET, HEAD, OPTIONS, POST'],
  ['DELETE', '/v1/payments', 'GET, HEAD, OPTIONS, POST'],
  ['PATCH', '/v1/payments/ID', 'GET, HEAD, OPTIONS'],
  ['DELETE', '/v1/payments/ID', 'GET, HEAD, OPTIONS'],
  ['POST', '/v1/payments/ID', 'GET, HEAD, OPTIONS'],
  ['POST', '/v1/events', 'GET, HEAD, OPTIONS'],
  ['POST', '/v1/balances', 'GET, HEAD, OPTIONS'],
  ['PUT', '/v1/webhook_endpoints', 'GET, HEAD, OPTIONS, POST'],
  ['BREW', '/v1/payments', 'GET, HEAD, OPTIONS, POST'],
  ['get', '/v1/balances', 'GET, HEAD, OPTIONS'],
  ['TRACE', '/v1/balances', 'GET, HEAD, OPTIONS'],
])
  test(`${method} ${path} is 405 and says what is allowed`, async () => {
    const answer = await send(head(['Content-Length: 0'], `${method} ${path.replace('ID', 'pay_' + '0'.repeat(26))} HTTP/1.1`));
    assertProblem(answer, 405, 'method_not_allowed');
    assert.equal(answer.headers.allow, allow);
  });

test('HEAD is GET without the body', async () => {
  const get = await florin.get('/v1/balances');
  const answer = parse(await talk(head(['Connection: close'], 'HEAD /v1/balances HTTP/1.1')));
  assert.equal(answer.status, 200);
  assert.equal(answer.text, '');
  assert.equal(answer.headers['content-type'], get.headers['content-type']);
  assert.equal(Number(answer.headers['content-length']), Buffer.byteLength(get.text));
});

test('OPTIONS answers 204 with Allow', async () => {
  const answer = parse(await talk(head(['Connection: close'], 'OPTIONS /v1/payments HTTP/1.1')));
  assert.equal(answer.status, 204);
  assert.equal(answer.headers.allow, 'GET, HEAD, OPTIONS, POST');
});

const source = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

// Of openapi/florin.yaml: path → {methods, listeners: where its servers are, by default the private one}.
function calls() {
  const paths = new Map();
  let path;
  for (const line of source('openapi/florin.yaml').split('\n')) {
    const [, isPath] = /^ {2}(\/\S*):$/.exec(line) ?? [], [, isMethod] = /^ {4}(get|post|put|patch|delete):$/.exec(line) ?? [];
    const [, port] = /^ {6}- url: http:\/\/127\.0\.0\.1:(\d+)$/.exec(line) ?? [];
    if (isPath) paths.set(isPath, (path = { methods: ['OPTIONS'], servers: [] }));
    else if (isMethod && path) path.methods.push(isMethod.toUpperCase(), ...(isMethod === 'get' ? ['HEAD'] : []));
    else if (port && path) path.servers.push({ 8400: 'api', 8401: 'public', 8403: 'card' }[port]);
    else if (/^\S/.test(line)) path = undefined;
  }
  return new Map([...paths].map(([name, { methods, servers }]) => [name, { methods, listeners: servers.length ? servers : ['api'] }]));
}

test('every call of openapi/florin.yaml exists, and no method beside them', async () => {
  const paths = calls();
  assert.ok(paths.size >= 20);
  for (const [pattern, { methods, listeners }] of paths) {
    for (const listener of listeners) {
      const to = Number(new URL(florin[listener]).port);
      const answer = parse(await talk(head(['Connection: close'], `OPTIONS ${pattern.replace(/\{\w+\}/g, 'x')} HTTP/1.1`), { to }));
      assert.equal(answer.status, 204, `${listener} ${pattern}`);
      assert.equal(answer.headers.allow, methods.sort().join(', '), `${listener} ${pattern}`);
    }
  }
});

// Of each listener: the table of its routes.
const TABLES = {
  api: ['src/api/api.c', /\bprivate_routes\[\] = \{([^]*?)\n\};/, 60], public: ['src/api/api.c', /\bpublic_routes\[\] = \{([^]*?)\n\};/, 12],
  card: ['src/card/role.c', /\broutes\[\] = \{([^]*?)\n\};/, 8],
};

test('every route of every listener is in openapi/florin.yaml', () => {
  const paths = calls();
  for (const [listener, [file, table, least]] of Object.entries(TABLES)) {
    const routes = [...table.exec(source(file))[1].matchAll(/\{HTTP_(\w+),\s*"(\/[^"]+)"/g)];
    assert.ok(routes.length >= least, `${listener}: ${routes.length} routes`);
    for (const [, method, path] of routes) {
      const call = paths.get(path);
      assert.ok(call?.methods.includes(method) && call.listeners.includes(listener), `${method} ${path} of the listener ${listener}`);
    }
  }
});

// --- limits ---

test('a body above the limit is 413, announced or not', async () => {
  const big = JSON.stringify(payment({ description: 'x'.repeat(BODY_MAX) }));
  assertProblem(await send(head(['Content-Type: application/json', `Content-Length: ${big.length}`])), 413, 'body_too_large');
  assertProblem(await send([head(['Content-Type: application/json', `Content-Length: ${big.length}`]), big]), 413, 'body_too_large');
  const chunked = [head(['Content-Type: application/json', 'Transfer-Encoding: chunked'])];
  for (let i = 0; i < 10; i++) chunked.push(`4000\r\n${'x'.repeat(0x4000)}\r\n`);
  assertProblem(await send([...chunked, '0\r\n\r\n']), 413, 'body_too_large');
  assertProblem(await send(head(['Content-Type: application/json', 'Content-Length: 999999999999999999999999'])), 413, 'body_too_large');
});

test('a body just within the limit is read', async () => {
  const room = BODY_MAX - Buffer.byteLength(JSON.stringify(payment({ description: '' })));
  assertProblem(await florin.post('/v1/payments', JSON.stringify(payment({ description: 'x'.repeat(room) }))), 400, 'parameter_invalid',
    { param: 'description' });
});

test('headers above the limit are 431', async () => {
  assertProblem(await send(head([`X-Long: ${'x'.repeat(HEADER_MAX)}`], 'GET /v1/balances HTTP/1.1')), 431, 'headers_too_large');
  const many = Array.from({ length: 400 }, (_, i) => `X-${i}: ${'y'.repeat(20)}`);
  assertProblem(await send(head(many, 'GET /v1/balances HTTP/1.1')), 431, 'headers_too_large');
  assert.equal((await send(head([`X-Long: ${'x'.repeat(2000)}`], 'GET /v1/balances HTTP/1.1'))).status, 200);
});

test('a head larger than any buffer still gets an answer', async () => {
  const answer = await send(head([`X-Huge: ${'x'.repeat(200000)}`], 'GET /v1/balances HTTP/1.1'));
  assertProblem(answer, 431, 'headers_too_large');
});

test('a target above the limit is 414', async () => {
  const answer = await send(head([], `GET /v1/payments?status=${'x'.repeat(8100)} HTTP/1.1`));
  assert.ok([414, 431].includes(answer.status), String(answer.status));
  assertProblem(answer, answer.status, answer.status === 414 ? 'uri_too_long' : 'headers_too_large');
});

test('nesting above the limit is not parsed', async () => {
  assertProblem(await florin.post('/v1/payments', '{"a":'.repeat(9) + '1' + '}'.repeat(9)), 400, 'json_invalid');
});

test('a request that does not arrive in time is 408', async () => {
  for (const part of [
    'POST /v1/pay',
    `POST /v1/payments HTTP/1.1\r\nHost: ${host}\r\nX-`,
    head(['Content-Type: application/json', `Content-Length: ${json.length}`]) + json.slice(0, 10),
  ]) {
    const began = Date.now();
    assertProblem(parse(await talk(part)), 408, 'request_timeout');
    assert.ok(Date.now() - began >= READ_TIMEOUT * 0.5);
  }
});

test('a request that drips is 408 too: the time is that of the whole', async () => {
  const text = head(['Content-Type: application/json', `Content-Length: ${json.length}`]) + json;
  const answer = await new Promise((resolve, reject) => {
    const socket = net.connect({ host, port });
    let received = '', at = 0;
    const drip = setInterval(() => { if (at < text.length) socket.write(text[at++]); }, 50);
    const end = (fn, value) => { clearInterval(drip); clearTimeout(timer); socket.destroy(); fn(value); };
    const timer = setTimeout(() => end(reject, new Error('still waiting')), 10000 * SLOW);
    socket.on('data', (chunk) => { received += chunk; });
    socket.on('end', () => end(resolve, received));
    socket.on('error', () => end(resolve, received));
  });
  assertProblem(parse(answer), 408, 'request_timeout');
});

// --- media types ---

for (const [name, headers] of [
  ['no type', []],
  ['text', ['Content-Type: text/plain']],
  ['a form', ['Content-Type: application/x-www-form-urlencoded']],
  ['JSON in Latin-1', ['Content-Type: application/json; charset=iso-8859-1']],
  ['JSON with an unknown parameter', ['Content-Type: application/json; boundary=x']],
  ['a cousin of JSON', ['Content-Type: application/jsonp']],
  ['compressed JSON', ['Content-Type: application/json', 'Content-Encoding: gzip']],
])
  test(`a body of ${name} is 415`, async () => {
    assertProblem(await send(head([...headers, `Content-Length: ${json.length}`]) + json), 415, 'media_type_unsupported');
  });

// --- framing ---

const POST = ['Content-Type: application/json'];
for (const [name, text] of [
  ['Content-Length and Transfer-Encoding', () => head([...POST, 'Content-Length: 5', 'Transfer-Encoding: chunked']) + '0\r\n\r\n'],
  ['two Content-Lengths', () => head([...POST, 'Content-Length: 5', 'Content-Length: 6']) + '{"a":1'],
  ['two equal Content-Lengths', () => head([...POST, 'Content-Length: 2', 'Content-Length: 2']) + '{}'],
  ['a signed Content-Length', () => head([...POST, 'Content-Length: +2']) + '{}'],
  ['a list of Content-Lengths', () => head([...POST, 'Content-Length: 2, 2']) + '{}'],
  ['another Transfer-Encoding', () => head([...POST, 'Transfer-Encoding: gzip, chunked']) + '0\r\n\r\n'],
  ['a folded header', () => head([...POST, 'X-Folded: a\r\n b', 'Content-Length: 2']) + '{}'],
  ['a space before the colon', () => head([...POST, 'Content-Length : 2']) + '{}'],
  ['a bare line feed', () => head([...POST, 'X-A: b\nContent-Length: 2']) + '{}'],
  ['a NUL in a header', () => head(['X-A: a\0b', 'Content-Length: 0'])],
  ['no Host', () => `GET /v1/balances HTTP/1.1\r\nAuthorization: Bearer ${florin.secret_key}\r\n\r\n`],
  ['two Hosts', () => head(['Host: evil.example'], 'GET /v1/balances HTTP/1.1')],
  ['a line without a colon', () => head(['nonsense'], 'GET /v1/balances HTTP/1.1')],
  ['a bad chunk size', () => head([...POST, 'Transfer-Encoding: chunked']) + 'zz\r\n{}\r\n0\r\n\r\n'],
])
  test(`${name}: refused with 400, and nothing after it is read as a request`, async () => {
    const smuggled = `POST /v1/payments HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${florin.secret_key}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`;
    const received = await talk(text() + smuggled);
    const answers = received.match(/HTTP\/1\.1 \d{3} /g) ?? [];
    assert.equal(answers.length, 1, received.slice(0, 500));
    const answer = parse(received);
    assert.ok([400, 413].includes(answer.status), received.slice(0, 200));
    assert.equal(answer.headers['content-type'], 'application/problem+json');
  });

test('what is no HTTP at all closes without harm', async () => {
  for (const noise of ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'HELO florin\r\n\r\n', '\0'.repeat(100) + '\r\n\r\n', '\r\n\r\n\r\n'])
    await talk(Buffer.from(noise, 'latin1'));
  assertOk(await florin.get('/v1/balances'));
});

test('a body on GET is refused', async () => {
  assertProblem(await send(head([...POST, 'Content-Length: 2'], 'GET /v1/balances HTTP/1.1') + '{}'), 400, 'request_invalid');
});

// --- what works ---

test('a chunked body is read', async () => {
  const at = 20;
  const chunks = `${at.toString(16)}\r\n${json.slice(0, at)}\r\n${(json.length - at).toString(16)}\r\n${json.slice(at)}\r\n0\r\n\r\n`;
  const answer = await send(head([...POST, 'Transfer-Encoding: chunked', `Idempotency-Key: ${newKey()}`]) + chunks);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.status, 'captured');
  rowsBefore.journals += 1;
  rowsBefore.events += 1;
  rowsBefore.payments += 1;
});

test('two requests in one segment get two answers in order', async () => {
  const one = head([], 'GET /v1/balances HTTP/1.1'), two = head(['Connection: close'], 'GET /v1/nothing HTTP/1.1');
  const received = await talk(one + two);
  assert.deepEqual(received.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404']);
});

test('100-continue is answered', async () => {
  const received = await talk([head([...POST, `Content-Length: 2`, 'Expect: 100-continue', 'Connection: close']), '{}']);
  assert.match(received, /HTTP\/1\.1 400 /);
  assert.match(received, /parameter_missing/);
});

test('HTTP/1.0 is understood', async () => {
  const received = await talk(`GET /healthz HTTP/1.0\r\n\r\n`);
  assert.match(received, /^HTTP\/1\.[01] 200 /);
});

test('a client that goes away in the middle of a payment changes nothing about it', async () => {
  const key = newKey();
  const body = JSON.stringify(payment({ payment_method_token: 'pm_tok_slow' }));
  const socket = net.connect({ host, port });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.write(head([...POST, `Idempotency-Key: ${key}`, `Content-Length: ${body.length}`]) + body);
  const found = await waitFor(async () => (await data(florin, '/v1/payments?status=processing'))[0]);
  socket.destroy();
  const answer = await waitFor(async () => {
    const again = await florin.post('/v1/payments', body, { idempotencyKey: key });
    return again.status !== 409 && again;
  });
  assert.equal(assertOk(answer).id, found.id);
  assert.equal(answer.json.status, 'captured');
  assert.equal(answer.headers['idempotent-replayed'], 'true');
  rowsBefore.journals += 1;
  rowsBefore.events += 1;
  rowsBefore.payments += 1;
});

test('many idle connections do not keep others out', async () => {
  const sockets = await Promise.all(Array.from({ length: 200 }, () => new Promise((resolve, reject) => {
    const socket = net.connect({ host, port }, () => resolve(socket));
    socket.on('error', reject);
  })));
  assertOk(await florin.get('/v1/balances'));
  for (const socket of sockets) socket.destroy();
});

test('the public listener has no secret-key route', async () => {
  const to = Number(new URL(florin.public).port);
  const on = (line, extra = []) => send(head(['Connection: close', ...extra], line), { to });
  assert.equal((await on('GET /healthz HTTP/1.1')).status, 200);
  for (const path of ['/v1/payments', '/v1/events', '/v1/balances', '/metrics', '/readyz'])
    assertProblem(await on(`GET ${path} HTTP/1.1`), 404, 'not_found');
  assertProblem(await on('POST /v1/payments HTTP/1.1', ['Content-Length: 0']), 404, 'not_found');
});

test('answers carry the headers that keep them out of caches and sniffers', async () => {
  for (const path of ['/v1/balances', '/v1/nothing']) {
    const { headers } = await florin.get(path);
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.match(headers['request-id'], /^req_/);
  }
});

test('at the end nothing but the payments that worked was written', async () => {
  assert.deepEqual(await rows(), rowsBefore);
});
