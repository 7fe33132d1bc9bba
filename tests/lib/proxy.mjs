// Stands between Florin and PostgreSQL, understands enough of protocol 3.0 to see a COMMIT, and loses connections where it hurts:
//
//   before   the COMMIT does not reach the server: the transaction is rolled back, and Florin does not know
//   after    the server has answered the COMMIT, but Florin does not hear of it: it is committed, and Florin does not know
//   other    the connection is lost at any other message
//   hole     nothing passes in either direction for a while, then all of it
//
// Connections are not encrypted (the tests' servers have no TLS), so that the messages can be read.
import net from 'node:net';
import { createRandom } from './random.mjs';

const FAULTS = ['before', 'after', 'other', 'hole'];
const ends = (text) => /(?:^|;)\s*(?:COMMIT|END)\b/i.test(text);
const text = (buffer, from = 0) => buffer.toString('latin1', from, buffer.indexOf(0, from));

// Cuts a stream into messages: `type` (none before the session has begun) and all `bytes`.
class Messages {
  #rest = Buffer.alloc(0);

  constructor(typed) { this.typed = typed; }

  * take(chunk) {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const head = this.typed ? 1 : 0; // may change from one message to the next
      if (this.#rest.length < head + 4) return;
      const length = head + this.#rest.readUInt32BE(head);
      if (this.#rest.length < length) return;
      const bytes = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      yield { type: head ? String.fromCharCode(bytes[0]) : undefined, bytes };
    }
  }
}

// Which statements of a session are a COMMIT: by the text, by the prepared statement's name, by the portal's.
class Statements {
  #prepared = new Map();
  #portals = new Map();

  isCommit({ type, bytes }) {
    if (type === 'Q') return ends(text(bytes, 5));
    if (type === 'P') {
      const name = text(bytes, 5);
      this.#prepared.set(name, ends(text(bytes, 5 + name.length + 1)));
    } else if (type === 'B') {
      const portal = text(bytes, 5);
      this.#portals.set(portal, this.#prepared.get(text(bytes, 5 + portal.length + 1)));
    }
    return type === 'E' && this.#portals.get(text(bytes, 5)) === true;
  }
}

class Session {
  #proxy; #client; #server; #statements = new Statements();
  #fromClient = new Messages(false);
  #fromServer = new Messages(true);
  #begun = false;
  #raw = false;  // the server answers with bytes that are no messages
  #deaf = false; // the answer to a COMMIT is to be lost

  constructor(proxy, client, target) {
    this.#proxy = proxy;
    this.#client = client;
    this.#server = net.connect(target);
    for (const [socket, other] of [[client, this.#server], [this.#server, client]]) {
      socket.setNoDelay(true);
      socket.on('error', () => { /* 'close' follows */ });
      socket.on('close', () => {
        other.destroySoon(); // after what it was still told
        proxy.sessions.delete(this);
      });
    }
    client.on('data', (chunk) => this.#forward(chunk));
    this.#server.on('data', (chunk) => this.#back(chunk));
  }

  cut() {
    this.#client.destroy();
    this.#server.destroy();
  }

  get #over() { return this.#client.destroyed || this.#server.destroyed; }

  // TCP's own means: what is not read is not acknowledged.
  #pass(from, to, bytes) {
    if (to.write(bytes)) return;
    from.pause();
    to.once('drain', () => { if (!this.#proxy.holes.has(this)) from.resume(); });
  }

  #forward(chunk) {
    for (const message of this.#fromClient.take(chunk)) {
      if (this.#over) return;
      if (!this.#begun) {
        this.#beginning(message);
      } else if (this.#harm(message)) {
        return;
      }
      this.#pass(this.#client, this.#server, message.bytes);
    }
  }

  // Before the session begins, messages have no type, and the answer to a wish for encryption is one byte.
  #beginning({ bytes }) {
    const code = bytes.readUInt32BE(4);
    const wish = code === 80877103 || code === 80877104; // SSL, GSSAPI
    this.#raw = wish;
    this.#begun = this.#fromClient.typed = !wish;
  }

  // Whether the message must not be passed on.
  #harm(message) {
    const commit = this.#statements.isCommit(message);
    if (commit) this.#proxy.counts.commits++;
    const fault = this.#proxy.choose(commit);
    if (!fault) return false;
    if (fault === 'after') {
      this.#deaf = true; // counted when it came to that
      return false;
    }
    this.#proxy.counts[fault]++;
    if (fault === 'hole') this.#hole();
    else this.cut();
    return fault !== 'hole';
  }

  #hole() {
    const { holes } = this.#proxy;
    if (holes.has(this)) return;
    holes.add(this);
    this.#client.pause();
    this.#server.pause();
    this.#server.cork(); // what was to be passed on just now waits too
    setTimeout(() => {
      holes.delete(this);
      this.#server.uncork();
      this.#client.resume();
      this.#server.resume();
    }, this.#proxy.holeTime()).unref();
  }

  #back(chunk) {
    if (this.#raw) return this.#client.write(chunk);
    for (const message of this.#fromServer.take(chunk)) {
      if (this.#over) return undefined;
      if (this.#deaf && this.#lose(message)) return undefined;
      this.#pass(this.#server, this.#client, message.bytes);
    }
    return undefined;
  }

  // The answers before that of the COMMIT still pass.
  #lose({ type, bytes }) {
    const done = type === 'C' && /^(COMMIT|ROLLBACK)$/.test(text(bytes, 5));
    if (!done && type !== 'E' && type !== 'Z') return false;
    if (done) this.#proxy.counts.after++;
    this.cut();
    return true;
  }
}

class Proxy {
  constructor(server, { seed, probability, holeMs }) {
    this.server = server;
    this.sessions = new Set();
    this.holes = new Set();
    this.counts = { sessions: 0, commits: 0, before: 0, after: 0, other: 0, hole: 0 };
    this.probability = { ...probability };
    this.holeMs = holeMs;
    this.random = createRandom(seed);
  }

  get port() { return this.server.address().port; }

  // The URL of a database, by way of the proxy.
  through(url) {
    const by = new URL(url);
    by.host = `127.0.0.1:${this.port}`;
    by.searchParams.set('sslmode', 'disable');
    return by.href;
  }

  // From now on: how probable each fault is; `before` and `after` of a COMMIT, `other` and `hole` of another message.
  set(probability) { this.probability = { ...probability }; }

  choose(commit) {
    let dice = this.random.random();
    for (const fault of commit ? FAULTS.slice(0, 2) : FAULTS.slice(2)) {
      dice -= this.probability[fault] ?? 0;
      if (dice < 0) return fault;
    }
    return undefined;
  }

  holeTime() { return this.holeMs[0] + this.random.below(this.holeMs[1] - this.holeMs[0] + 1); }

  // Cuts all connections, as when the network between the two fails.
  cutAll() {
    for (const session of [...this.sessions]) session.cut();
  }

  close() {
    this.cutAll();
    return new Promise((done) => { this.server.close(() => done()); });
  }
}

// A proxy to `port`. Options: seed, probability ({before, after, other, hole}; default: none), holeMs (shortest, longest).
export async function startProxy(port, { seed = 1, probability = {}, holeMs = [100, 2000] } = {}) {
  const server = net.createServer();
  const proxy = new Proxy(server, { seed, probability, holeMs });
  server.on('connection', (client) => {
    proxy.counts.sessions++;
    proxy.sessions.add(new Session(proxy, client, { host: '127.0.0.1', port }));
  });
  await new Promise((ready, failed) => server.once('error', failed).listen(0, '127.0.0.1', ready));
  return proxy;
}
