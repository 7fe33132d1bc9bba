// HTTP as tests need it: every answer whole, and bytes exactly as given.
import http from 'node:http';
import net from 'node:net';
import { SLOW } from './wait.mjs';

function parsed(text, type) {
  if (!/json/.test(type ?? '')) return undefined;
  try { return JSON.parse(text); } catch { return undefined; }
}

// {status, headers, text, json}; rejects when no whole answer comes.
export function send(method, url, headers, body, { agent, timeout = 60000 } = {}) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
    const limit = AbortSignal.timeout(timeout * SLOW);
    const req = http.request(url, { method, agent, headers: { ...length, ...headers }, signal: limit }, (res) => {
      const chunks = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        if (!res.complete) return reject(new Error(`${method} ${url}: the answer broke off`));
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: res.statusCode, headers: res.headers, text, json: parsed(text, res.headers['content-type']) });
      });
      res.on('aborted', () => reject(new Error(`${method} ${url}: the answer broke off`)));
    });
    req.on('error', reject);
    req.end(body);
  });
}

// A request at any address. Options: method, headers, body (object, string, Buffer), timeout.
export function request(url, { method = 'GET', headers = {}, body, timeout } = {}) {
  const bytes = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return send(method, new URL(url), headers, bytes, { timeout });
}

function parseAnswer(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return {};
  const [line, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = {};
  for (const header of lines) headers[header.slice(0, header.indexOf(':')).toLowerCase()] = header.slice(header.indexOf(':') + 1).trim();
  const text = bytes.subarray(end + 4).toString('utf8');
  return { status: Number(line.split(' ')[1]), headers, text, json: parsed(text, headers['content-type']) };
}

const whole = (answer) => answer.status !== undefined && answer.headers['content-length'] !== undefined
  && Buffer.byteLength(answer.text) >= Number(answer.headers['content-length']);

// Writes bytes (a string, a Buffer, or a list of them with pauses in ms between) and reads one answer. The result has
// `bytes`, `closed` (did the peer close?) and, when an answer came, what send() gives. `untilClose` reads on to the end.
export function rawRequest(url, chunks, { timeout = 10000, untilClose = false } = {}) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: hostname, port: Number(port) });
    let bytes = Buffer.alloc(0);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end of the answer after ${timeout * SLOW} ms; so far: ${bytes.toString('latin1').slice(0, 500)}`));
    }, timeout * SLOW);
    const done = (closed) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ bytes, closed, ...parseAnswer(bytes) });
    };
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (!untilClose && whole(parseAnswer(bytes))) done(false);
    });
    socket.on('end', () => done(true));
    socket.on('error', (error) => {
      if (bytes.length || error.code === 'ECONNRESET' || error.code === 'EPIPE') done(true);
      else { clearTimeout(timer); reject(error); }
    });
    socket.on('connect', async () => {
      for (const chunk of [].concat(chunks)) {
        if (typeof chunk === 'number') await new Promise((next) => setTimeout(next, chunk));
        else if (!socket.destroyed) socket.write(chunk);
      }
    });
  });
}
