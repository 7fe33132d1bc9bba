// What is known of cards without asking anybody: brands, lengths, check digits, dates. Pure functions; the pages and the
// tests use the same.

export type BrandName =
  | 'visa' | 'mastercard' | 'amex' | 'diners' | 'discover' | 'jcb' | 'unionpay' | 'maestro' | 'mir' | 'unknown';

export interface Brand {
  name: BrandName;
  title: string; // what people call it; a proper name, the same in all languages
  lengths: readonly number[];
  gaps: readonly number[]; // a space stands before the digit of that index
  cvc: readonly number[]; // how many digits the code may have
}

const GAPS_4 = [4, 8, 12, 16], GAPS_4_6 = [4, 10];
const UP_TO_19 = [16, 17, 18, 19];

function brand(name: BrandName, title: string, lengths: readonly number[], gaps: readonly number[] = GAPS_4, cvc = 3): Brand {
  return { name, title, lengths, gaps, cvc: [cvc] };
}

const BRANDS: Record<Exclude<BrandName, 'unknown'>, Brand> = {
  visa: brand('visa', 'Visa', [13, 16, 19]),
  mastercard: brand('mastercard', 'Mastercard', [16]),
  amex: brand('amex', 'American Express', [15], GAPS_4_6, 4),
  diners: brand('diners', 'Diners Club', [14, 16, 17, 18, 19], GAPS_4_6),
  discover: brand('discover', 'Discover', UP_TO_19),
  jcb: brand('jcb', 'JCB', UP_TO_19),
  unionpay: brand('unionpay', 'UnionPay', UP_TO_19),
  maestro: brand('maestro', 'Maestro', [12, 13, 14, 15, 16, 17, 18, 19]),
  mir: brand('mir', 'Mir', UP_TO_19),
};

export const UNKNOWN: Brand = { name: 'unknown', title: '', lengths: [12, 13, 14, 15, 16, 17, 18, 19], gaps: GAPS_4, cvc: [3, 4] };

// First and last of a range of leading digits, as in src/vault/sealed.c. Source: the schemes' published ranges.
const RANGES: readonly (readonly [string, string, keyof typeof BRANDS])[] = [
  ['2200', '2204', 'mir'], ['2221', '2720', 'mastercard'], ['300', '305', 'diners'], ['3528', '3589', 'jcb'],
  ['34', '34', 'amex'], ['36', '36', 'diners'], ['37', '37', 'amex'], ['38', '39', 'diners'], ['4', '4', 'visa'],
  ['50', '50', 'maestro'], ['51', '55', 'mastercard'], ['6011', '6011', 'discover'], ['62', '62', 'unionpay'],
  ['644', '649', 'discover'], ['65', '65', 'discover'], ['56', '58', 'maestro'], ['63', '63', 'maestro'], ['67', '69', 'maestro'], ['81', '81', 'unionpay'],
];

// The digits of a text; full-width and other compatibility forms count as the plain ones.
export function digitsOf(text: string): string {
  return text.normalize('NFKC').replace(/[^0-9]/g, '');
}

// The brand that the digits so far allow no other for.
export function brandOf(digits: string): Brand {
  for (const [from, to, name] of RANGES) {
    const head = digits.slice(0, from.length);
    if (head.length === from.length && head >= from && head <= to) return BRANDS[name];
  }
  return UNKNOWN;
}

// A Diners card of fourteen digits is grouped 4-6-4; a longer one as all others are.
function gapsOf(of: Brand, digits: string): readonly number[] {
  return of.name === 'diners' && digits.length > 14 ? GAPS_4 : of.gaps;
}

export function numberMax(of: Brand): number {
  return of.lengths[of.lengths.length - 1] ?? 19;
}

export function formatNumber(digits: string): string {
  const of = brandOf(digits), kept = digits.slice(0, numberMax(of)), gaps = gapsOf(of, kept);
  return [...kept].map((digit, i) => (gaps.includes(i) ? ` ${digit}` : digit)).join('');
}

// Source: ISO/IEC 7812-1, annex B.
export function luhn(digits: string): boolean {
  let sum = 0;
  [...digits].reverse().forEach((digit, i) => {
    const n = Number(digit) * (i % 2 ? 2 : 1);
    sum += n > 9 ? n - 9 : n;
  });
  return digits.length > 0 && sum % 10 === 0;
}

export type Verdict = 'complete' | 'empty' | 'incomplete' | 'invalid' | 'past';

export function checkNumber(digits: string): Verdict {
  const of = brandOf(digits);
  if (digits.length === 0) return 'empty';
  if (of.lengths.includes(digits.length) && luhn(digits)) return 'complete';
  // Fewer digits than most of its cards have may still become one: "incomplete" is kinder than "not valid".
  const usual = Math.min(numberMax(of), of.name === 'diners' ? 14 : of.name === 'maestro' || of.name === 'unknown' ? 19 : 16);
  return digits.length < usual ? 'incomplete' : 'invalid';
}

// --- the date ---

// Month and year as digits: "12", "123", "1230", "122030". Browsers fill in "12/30", "12/2030" or "2030-12". Who deletes a digit
// of the month has not said January.
export function expiryDigits(text: string, forward = true): string {
  const plain = text.normalize('NFKC').trim();
  const yearFirst = /^(\d{4})\D+(\d{1,2})$/.exec(plain);
  if (yearFirst) return `${(yearFirst[2] ?? '').padStart(2, '0')}${yearFirst[1] ?? ''}`;
  const shortMonth = forward ? /^(\d)\D+(\d*)$/.exec(plain) : null; // "1/" says January
  const digits = shortMonth && shortMonth[1] !== '0' ? `0${shortMonth[1]}${shortMonth[2]}` : digitsOf(plain);
  const whole = /^[2-9]/.test(digits) ? `0${digits}` : digits;
  return whole.slice(0, whole.slice(2, 4) === '20' ? 6 : 4);
}

// While one types forward the slash comes by itself; while one deletes it goes.
export function formatExpiry(digits: string, forward: boolean): string {
  if (digits.length < 2 || (digits.length === 2 && !forward)) return digits;
  return `${digits.slice(0, 2)} / ${digits.slice(2)}`;
}

export interface MonthYear { month: number; year: number }

export function expiryOf(digits: string): MonthYear {
  const year = Number(digits.slice(2));
  return { month: Number(digits.slice(0, 2)), year: digits.length === 6 ? year : 2000 + year };
}

// A card is good until the end of its month, somewhere on earth: the month is compared in UTC, as Florin does.
export function checkExpiry(digits: string, now: Date): Verdict {
  const { month, year } = expiryOf(digits);
  if (digits.length === 0) return 'empty';
  if (digits.length >= 2 && (month < 1 || month > 12)) return 'invalid';
  if (digits.length < 4 || digits.length === 5 || (digits.length === 4 && digits.slice(2) === '20')) return 'incomplete';
  const months = (year - now.getUTCFullYear()) * 12 + month - (now.getUTCMonth() + 1);
  if (months < 0) return 'past';
  return year > now.getUTCFullYear() + 50 ? 'invalid' : 'complete';
}

// --- the code ---

export function cvcMax(of: Brand): number {
  return Math.max(...of.cvc);
}

export function checkCvc(digits: string, of: Brand): Verdict {
  if (digits.length === 0) return 'empty';
  if (of.cvc.includes(digits.length)) return 'complete';
  return digits.length < cvcMax(of) ? 'incomplete' : 'invalid';
}
