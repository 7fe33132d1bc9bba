// Payloads of links as src/link/link.h has them, and the hostile role's doors.
import { request } from '../lib/florin.mjs';

export const MESSAGE = { PEER: 1, MASTER: 2, MASTER_KEPT: 3, REFUSED: 8, CLIENT_IS: 11, EGRESS: 20, EGRESS_IS: 21, FORGET: 22, FORGOTTEN: 23, KEEP: 24, KEPT: 25, EXPIRY: 26, EXPIRY_IS: 27, VAULT_SEAL: 30, VAULT_OPEN: 32, VAULT_USED: 34, ADMIN: 50 };
export const SENT = { ANSWERED: 0, NOT_SENT: 1, UNKNOWN: 2 };

const JSON_TYPE = 'Content-Type: application/json\n';
export const int = (v) => { const b = Buffer.alloc(8); b.writeBigInt64BE(BigInt(v)); return b; };
export const str = (v) => {
  const bytes = Buffer.isBuffer(v) ? v : Buffer.from(v), n = Buffer.alloc(4);
  n.writeUInt32BE(bytes.length);
  return Buffer.concat([n, bytes]);
};
export const card = (hex) => str(Buffer.from(hex, 'hex'));

export const egress = ({ merchant = 2, id, reference = 'att_1', permit = '', method = 'POST', url, headers = JSON_TYPE, body = '{"number":"{{card.number}}"}',
  connectMs = 1000, totalMs = 3000, startBefore = 0 }) => Buffer.concat([
  int(merchant), card(id), str(reference), str(permit), str(method), str(url), str(headers), str(body), int(connectMs), int(totalMs), int(startBefore)]);

function reader(bytes) {
  let at = 0;
  return {
    int: () => Number(bytes.readBigInt64BE((at += 8) - 8)),
    bytes: () => { const n = bytes.readUInt32BE(at); at += 4 + n; return bytes.subarray(at - n, at); },
  };
}

export function egressIs(bytes) {
  const r = reader(bytes);
  return { sent: r.int(), status: r.int(), type: r.bytes().toString('latin1'), retryAfter: r.bytes().toString('latin1'), error: r.bytes().toString('latin1'), latency: r.int(), body: r.bytes() };
}

export class Hostile {
  constructor(florin) { this.florin = florin; this.calls = 1000; }

  async door(path, body, query = {}) {
    const answer = await request(`${this.florin.api}/hostile/${path}?${new URLSearchParams(query)}`,
      { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: body ?? Buffer.from(' ') });
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  }

  async state() { return (await request(`${this.florin.api}/hostile/state`)).json; }

  // What came back: {sent, link, message, bytes}.
  async frame(message, payload, query = {}) {
    const got = await this.door('frame', payload, { message, call: ++this.calls, ...query });
    return { ...got, bytes: Buffer.from(got.hex, 'hex') };
  }

  async egress(what) {
    const got = await this.frame(MESSAGE.EGRESS, egress(what));
    return { ...got, is: got.message === MESSAGE.EGRESS_IS ? egressIs(got.bytes) : undefined };
  }

  async restart() {
    const { api } = this.florin.processes;
    await request(`${this.florin.api}/hostile/exit`, { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: ' ' }).catch(() => {});
    return this.florin.kill9(api).catch(() => {}).then(() => this.florin.ready());
  }
}

// Where any run of ten of the number's digits stands, in the forms in which it could have been carried out; undefined: nowhere.
export function find(number, bytes) {
  const text = Buffer.from(bytes).toString('latin1');
  const bare = text.replace(/[^0-9]/g, ''); // with whatever between them
  const forms = [(s) => s, (s) => Buffer.from(s).toString('hex'), (s) => [...s].map((c) => `${c}\0`).join(''), (s) => [...s].map((c) => `\0${c}`).join(''),
    (s) => [...s].reverse().join(''), (s) => [...s].map((c) => `%3${c}`).join(''), (s) => [...s].map((c) => `\\u003${c}`).join(''),
    (s) => [...s].map((c) => `&#${c.charCodeAt(0)};`).join('')];
  for (let offset = 0; offset < 3; offset++) {
    forms.push((s) => { // the letters that these digits alone make
      const all = Buffer.from('\0'.repeat(offset) + s).toString('base64').replace(/=+$/, '');
      return all.slice(Math.ceil(8 * offset / 6), Math.floor(8 * (offset + s.length) / 6));
    });
    forms.push((s) => { // of UTF-16
      const wide = Buffer.concat([Buffer.alloc(offset), Buffer.from(s, 'utf16le')]);
      return wide.toString('base64').replace(/=+$/, '').slice(Math.ceil(8 * offset / 6), Math.floor(8 * (wide.length) / 6));
    });
  }
  for (const form of forms) {
    const at = text.indexOf(form(number));
    if (at >= 0) return text.slice(Math.max(0, at - 40), at + 80);
  }
  for (let i = 0; i + 10 <= number.length; i++) if (text.includes(number.slice(i, i + 10))) return `ten digits: ${number.slice(i, i + 10)}`;
  return bare.includes(number) && text.length < 100000 ? 'its digits, with something between them' : undefined;
}
