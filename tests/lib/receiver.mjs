// A merchant's webhook endpoint: collects what comes, answers as told.
import http from 'node:http';
import { Webhook } from 'standardwebhooks';
import { waitFor } from './wait.mjs';

// answer: what to reply, as {status, headers, body, delay (ms), hang, drop}, a list of them (the last one stays), or a
// function (request, how many came before) => one of them. `hang` never answers, `drop` closes the connection.
// The result: url, requests ({method, path, headers, body, json, at}), answer(…) to change it, count(), wait(), close().
export async function startReceiver({ answer = {}, port = 0 } = {}) {
  const requests = [];
  let rule = answer;
  const held = new Set();

  function reply(res, { status = 200, headers = {}, body = '', delay = 0, hang = false, drop = false }) {
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
      const before = requests.push(one) - 1;
      if (typeof rule === 'function') reply(res, rule(one, before) ?? {});
      else if (Array.isArray(rule)) reply(res, (rule.length > 1 ? rule.shift() : rule[0]) ?? {});
      else reply(res, rule);
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
    answer(next) { rule = next; },
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
