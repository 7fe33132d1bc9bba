// A tiny payment provider with wording of its own, and its connector: written into a folder at run time. It can be told to misbehave.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BUILT_IN = fileURLToPath(new URL('../../connectors', import.meta.url));

export const TOY_LUA = `
local manifest = {
  name = "toy",
  version = "1",
  operations = { "authorize", "capture", "cancel", "refund", "inquire" },
  methods = { "card" },
  currencies = { "EUR", "USD" },
  credentials = { { name = "shop_url", form = "url", secret = false }, { name = "password", secret = true } },
  hosts_from = "shop_url",
  not_found_final_after_ms = 300,
}

local verbs = { capture = "claim", cancel = "drop", refund = "return" }
local stages = { HELD = "authorized", PAID = "captured", DROPPED = "canceled", RETURNED = "refunded" }

local function build(op, cred)
  local headers = { ["X-Shop-Password"] = cred.password, ["Content-Type"] = "application/json" }
  if op.operation == "inquire" then
    return { method = "GET", url = cred.shop_url .. "/order/" .. op.reference, headers = headers }
  end
  local order = {
    order = op.reference,
    total = string.format("%d.%02d", op.amount // 100, op.amount % 100),
    ccy = string.lower(op.currency),
  }
  local path = "/order"
  if op.operation == "authorize" then
    order.instrument = op.token
    order.claim_now = op.capture
  else
    path = "/order/" .. op.original .. "/" .. verbs[op.operation]
  end
  return { method = "PUT", url = cred.shop_url .. path, headers = headers, body = florin.json_encode(order) }
end

local function read(op, answer)
  local a = florin.json_decode(answer.body)
  if type(a) ~= "table" then return nil end
  if answer.status == 404 and op.operation == "inquire" and a.verdict == "NEVER SEEN" then return { kind = "not_found" } end
  if answer.status ~= 200 or a.order ~= op.reference then return nil end
  if a.verdict == "NO" then return { kind = "declined", code = a.why } end
  if a.verdict ~= "YES" then return { kind = "pending" } end
  local whole, cents = string.match(a.total or "", "^(%d+)%.(%d%d)$")
  return {
    kind = stages[a.stage],
    amount = whole and tonumber(whole) * 100 + tonumber(cents),
    currency = string.upper(a.ccy),
    provider_reference = a.trace,
    network_reference = "N" .. a.trace,
  }
end

return { manifest = manifest, build = build, read = read }
`;

const ERRORS = 'provider_code\treason\tretry\tmessage\tfrom\tto\nBROKE\tinsufficient_funds\tlater\tThe purse is empty.\n';

// A folder with the connectors of the repository; add() puts another one in.
export function connectorFolder() {
  const dir = mkdtempSync(join(tmpdir(), 'florin-connectors-'));
  if (existsSync(BUILT_IN)) cpSync(BUILT_IN, dir, { recursive: true });
  return {
    dir,
    add(name, lua, errors = ERRORS) {
      mkdirSync(join(dir, name), { recursive: true });
      writeFileSync(join(dir, name, 'errors.tsv'), errors);
      writeFileSync(join(dir, name, 'connector.lua'), lua);
    },
    remove(name) { rmSync(join(dir, name), { recursive: true, force: true }); },
    close() { rmSync(dir, { recursive: true, force: true }); },
  };
}

// orders: by reference, what really happened. next: what the next changing requests do, in order. always: what all do.
export async function startToy() {
  const toy = { orders: new Map(), seen: [], next: [], always: undefined, inquiries: 0 };
  const sockets = new Set();

  function take(order, original, verb) {
    if (toy.orders.has(order.order)) return toy.orders.get(order.order); // the same reference is the same operation
    const base = { ...order, trace: `T${toy.orders.size + 1}`, verdict: 'YES', calls: 1 };
    if (verb) {
      const parent = toy.orders.get(original);
      const allowed = parent && { claim: parent.stage === 'HELD', drop: parent.stage === 'HELD', return: parent.stage === 'PAID' }[verb];
      base.stage = { claim: 'PAID', drop: 'DROPPED', return: 'RETURNED' }[verb];
      base.verb = verb;
      base.original = original;
      if (!allowed) Object.assign(base, { verdict: 'NO', why: 'CANNOT' });
      else if (verb !== 'return') parent.stage = base.stage;
    } else {
      base.stage = order.claim_now ? 'PAID' : 'HELD';
      if (order.instrument === 'pm_tok_broke') Object.assign(base, { verdict: 'NO', why: 'BROKE' });
    }
    toy.orders.set(order.order, base);
    return base;
  }

  const send = (response, status, body) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };

  const ways = {
    hang_before() {},
    hang_after(act) { act(); },
    error_before(act, response) { send(response, 500, { oops: true }); },
    error_after(act, response) { act(); send(response, 500, { oops: true }); },
    refuse(act, response, order) {
      const no = { ...order, verdict: 'NO', why: 'BROKE', stage: 'NONE', trace: 'T0' };
      toy.orders.set(order.order, no);
      send(response, 200, no);
    },
    close_after(act, response) { act(); response.socket.destroy(); },
    cut_after(act, response) {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 500 });
      response.write(JSON.stringify(act()).slice(0, 40));
      setTimeout(() => response.socket?.destroy(), 20);
    },
    garbage_after(act, response) { act(); send(response, 200, '<html>all is well</html>'); },
    huge_after(act, response) { act(); send(response, 200, `{"filler":"${'x'.repeat(4 << 20)}"}`); },
    deep_after(act, response) { act(); send(response, 200, '['.repeat(100000)); },
    other_total_after(act, response) { send(response, 200, { ...act(), total: '0.01' }); },
    other_currency_after(act, response) { send(response, 200, { ...act(), ccy: 'usd' }); },
    no_total_after(act, response) { send(response, 200, { ...act(), total: undefined }); },
    other_order_after(act, response) { send(response, 200, { ...act(), order: 'att_0000000000000000000000000' }); },
    redirect_after(act, response) {
      act();
      response.writeHead(307, { Location: `${toy.url}/order/elsewhere` });
      response.end();
    },
    drip_after(act, response) {
      act();
      response.writeHead(200, { 'Content-Type': 'application/json' });
      const drip = setInterval(() => response.write(' '), 50);
      response.on('close', () => clearInterval(drip));
    },
    wait(act, response) { send(response, 200, { ...act(), verdict: 'WAIT' }); },
  };

  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const [, , reference, verb] = request.url.split('/');
      if (request.method === 'GET') {
        toy.inquiries++;
        const order = toy.orders.get(reference);
        if (!order) return send(response, 404, { verdict: 'NEVER SEEN' });
        return send(response, 200, toy.told ? toy.told(order) : order);
      }
      const order = JSON.parse(body);
      toy.seen.push({ url: request.url, headers: request.headers, order });
      const act = () => {
        const known = toy.orders.get(order.order);
        if (known) known.calls++;
        return take(order, verb ? reference : undefined, verb);
      };
      const way = toy.next.shift() ?? toy.always;
      if (way) return ways[way](act, response, order);
      send(response, 200, act());
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise((resolve, reject) => server.listen(0, '127.0.0.1', resolve).on('error', reject));
  toy.url = `http://127.0.0.1:${server.address().port}`;
  toy.ways = Object.keys(ways);
  toy.close = () => new Promise((resolve) => {
    server.close(resolve);
    for (const socket of sockets) socket.destroy();
  });
  toy.charges = () => [...toy.orders.values()].filter((o) => !o.verb && o.verdict === 'YES');
  toy.operations = (verb, original) => [...toy.orders.values()].filter((o) => o.verb === verb && o.original === original && o.verdict === 'YES');
  return toy;
}
