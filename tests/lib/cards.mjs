// Card numbers for tests: making them, and finding them in bytes, in whatever form they were written.
import { closeSync, openSync, readSync, statSync } from 'node:fs';

function checkDigit(digits) {
  let sum = 0;
  for (let i = digits.length - 1, double = true; i >= 0; i--, double = !double) {
    const value = Number(digits[i]) * (double ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
  }
  return String((10 - (sum % 10)) % 10);
}

// `n` different numbers of 16 digits that begin with `prefix`, and pass the check of Luhn. random: () => [0, 1).
export function cardNumbers(n, { prefix = '400099', random = Math.random } = {}) {
  const all = new Set();
  while (all.size < n) {
    let digits = prefix;
    while (digits.length < 15) digits += Math.floor(random() * 10);
    all.add(digits + checkDigit(digits));
  }
  return [...all];
}

const LENGTH = 16;
const isDigit = (byte) => byte >= 0x30 && byte <= 0x39;
const BASE64 = new Int8Array(256).fill(-1);
[...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'].forEach((c, i) => { BASE64[c.charCodeAt(0)] = i; });
for (const [c, i] of [['+', 62], ['-', 62], ['/', 63], ['_', 63]]) BASE64[c.charCodeAt(0)] = i;

// Digits that follow each other at a distance of `step` bytes, with zero bytes between, and nothing else: plain text and UTF-16/32.
function* textWindows(bytes, step) {
  const run = new Uint32Array(step); // how many digits ended here, by remainder
  for (let i = 0; i < bytes.length; i++) {
    const r = i % step;
    const near = step === 1 || i < step || bytes[i - 1] === 0;
    run[r] = isDigit(bytes[i]) && near ? run[r] + 1 : isDigit(bytes[i]) ? 1 : 0;
    if (run[r] < LENGTH) continue;
    let digits = '';
    for (let k = LENGTH - 1; k >= 0; k--) digits += bytes[i - k * step] - 0x30;
    yield { at: i - (LENGTH - 1) * step, digits };
  }
}

// With one space or dash after each four digits.
function* groupedWindows(bytes) {
  const separator = (byte) => byte === 0x20 || byte === 0x2d;
  for (let i = 4; i + 15 <= bytes.length; i++) {
    if (!separator(bytes[i]) || !separator(bytes[i + 5]) || !separator(bytes[i + 10])) continue;
    let digits = '';
    for (let k = i - 4; k < i + 15; k++) if (isDigit(bytes[k])) digits += bytes[k] - 0x30;
    if (digits.length === LENGTH) yield { at: i - 4, digits };
  }
}

// As hexadecimal of the digits' characters: "34323432…".
function* hexWindows(bytes) {
  const run = [0, 0];
  for (let i = 1; i < bytes.length; i++) {
    const r = i % 2;
    run[r] = bytes[i - 1] === 0x33 && isDigit(bytes[i]) ? run[r] + 1 : 0;
    if (run[r] < LENGTH) continue;
    let digits = '';
    for (let k = LENGTH - 1; k >= 0; k--) digits += bytes[i - 2 * k] - 0x30;
    yield { at: i - 2 * LENGTH + 1, digits };
  }
}

// Two digits in each byte.
function* packedWindows(bytes) {
  let run = 0;
  for (let i = 0; i < bytes.length; i++) {
    run = (bytes[i] >> 4) < 10 && (bytes[i] & 15) < 10 ? run + 1 : 0;
    if (run < LENGTH / 2) continue;
    let digits = '';
    for (let k = LENGTH / 2 - 1; k >= 0; k--) digits += `${bytes[i - k] >> 4}${bytes[i - k] & 15}`;
    yield { at: i - LENGTH / 2 + 1, digits };
  }
}

// As part of a text in base64, wherever in it.
function* base64Windows(bytes) {
  const least = 22;
  for (let i = 0; i < bytes.length;) {
    if (BASE64[bytes[i]] < 0) { i++; continue; }
    let end = i;
    while (end < bytes.length && BASE64[bytes[end]] >= 0) end++;
    if (end - i >= least)
      for (let shift = 0; shift < 4; shift++) {
        const plain = Buffer.from(bytes.subarray(i + shift, end).toString('latin1'), 'base64');
        for (const found of textWindows(plain, 1)) yield { at: i + shift, digits: found.digits };
      }
    i = end;
  }
}

const FORMS = {
  plain: (bytes) => textWindows(bytes, 1), grouped: groupedWindows, utf16: (bytes) => textWindows(bytes, 2), utf32: (bytes) => textWindows(bytes, 4),
  hex: hexWindows, packed: packedWindows, base64: base64Windows,
};

// Which of `numbers` (a Set) are in the bytes: [{form, at, number}], at most `max`.
export function findNumbers(bytes, numbers, { max = 20 } = {}) {
  const hits = [];
  for (const [form, windows] of Object.entries(FORMS))
    for (const { at, digits } of windows(bytes)) {
      if (!numbers.has(digits)) continue;
      hits.push({ form, at, number: digits });
      if (hits.length >= max) return hits;
    }
  return hits;
}

const BLOCK = 1 << 16, ZERO = Buffer.alloc(BLOCK);
const empty = (bytes, from, to) => bytes.compare(ZERO, 0, to - from, from, to) === 0;

// The parts of `bytes` that are not blocks of zeros: [from, to).
function* filled(bytes) {
  let from = -1;
  for (let at = 0; at < bytes.length; at += BLOCK) {
    const none = empty(bytes, at, Math.min(at + BLOCK, bytes.length));
    if (!none && from < 0) from = at;
    if (none && from >= 0) {
      yield [from, at];
      from = -1;
    }
  }
  if (from >= 0) yield [from, bytes.length];
}

// The same in a file of any size, piece by piece; blocks of zeros, of which memory has many, are passed over.
export function findInFile(path, numbers, { max = 20 } = {}) {
  const PIECE = 16 << 20, OVERLAP = 4096, size = statSync(path).size, fd = openSync(path, 'r'), hits = [];
  try {
    const bytes = Buffer.alloc(Math.min(PIECE + OVERLAP, size));
    for (let at = 0; at < size && hits.length < max; at += PIECE) {
      const n = readSync(fd, bytes, 0, bytes.length, at);
      for (const [from, to] of filled(bytes.subarray(0, n)))
        hits.push(...findNumbers(bytes.subarray(from, to), numbers, { max }).map((hit) => ({ ...hit, at: hit.at + at + from })));
    }
  } finally {
    closeSync(fd);
  }
  return hits;
}
