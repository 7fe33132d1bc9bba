// A merchant's webhook endpoint: collects what comes, answers as told.
import http from 'node:http';
import { Webhook } from 'standardwebhooks';
import { waitFor } from './wait.mjs';

// respond: a status, or {status, headers, body, delay (ms), hang, drop}, or a function (request, n) => one of these, where n
// counts from 1. `hang` never answers, `drop` closes the connection.
// The result: url, requests ({method, path, headers, body, json, at}), respond(…) to change it, count(), wait(), close().
export async function startReceiver({ respond = 200, port = 0 } = {}) {
  const requests = [];
  let rule = respond;
  const held = new Set();

  function reply(res, how) {
    const { status = 200, headers = {}, body = '', delay = 0, hang = false, drop = false } = typeof how === 'number' ? { status: how } : how ?? {};
    if (hang) return held.add(res);
    if (drop) return res.socket.destroy();
    const now = () => { res.writeHead(status, headers); res.end(body); };
    if (delay) setTimeout(now, delay); else now();
  }

  const server = http.createServer((req, res) => {
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('error', () => {});
    res.on('error', () => {});
    req.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      let json;
      try { json = JSON.parse(body); } catch { /* seen by the test as undefined */ }
      const one = { method: req.method, path: req.url, headers: req.headers, body, json, at: Date.now() };
      const n = requests.push(one);
      reply(res, typeof rule === 'function' ? rule(one, n) : rule);
    });
  });
  await new Promise((ready, failed) => {
    server.once('error', failed);
    server.listen(port, '127.0.0.1', ready);
  });
  const url = `http://127.0.0.1:${server.address().port}/hook`;

  return {
    url,
    port: server.address().port,
    requests,
    respond(next) { rule = next; },
    // How many came, of one type or for which a test holds.
    count(which = () => true) {
      return requests.filter(typeof which === 'string' ? (r) => r.json?.type === which : which).length;
    },
    // The first request of a type, or for which a test holds.
    wait(which = () => true, options) {
      const test = typeof which === 'string' ? (r) => r.json?.type === which : which;
      return waitFor(() => requests.find(test), { message: () => `no such webhook; came: ${requests.map((r) => r.json?.type).join(', ')}`, ...options });
    },
    close() {
      for (const res of held) res.socket?.destroy();
      return new Promise((done) => { server.close(() => done()); server.closeAllConnections?.(); });
    },
  };
}

// The event in a delivery; throws when the signature is not good.
export const verifyWebhook = (secret, { body, headers }) => new Webhook(secret).verify(body, headers);
