// What is different in the three kinds of field: what is kept of a text, how it is shown, and what is wrong with it. Pure.
import { Brand, Verdict, brandOf, checkCvc, checkExpiry, checkNumber, cvcMax, digitsOf, expiryDigits, formatExpiry, formatNumber, numberMax } from '../shared/card';
import type { Kind } from '../shared/protocol';
import type { FieldText } from './texts';

export interface Rules {
  autocomplete: string;
  name: string; // of the input; older browsers go by it when they fill in
  digits(text: string, forward: boolean, of: Brand): string;
  format(digits: string, forward: boolean): string;
  check(digits: string, of: Brand): Verdict;
  full(digits: string, of: Brand): boolean; // no more digits go in: what is wrong now stays wrong
}

export const RULES: Readonly<Record<Kind, Rules>> = {
  number: {
    autocomplete: 'cc-number',
    name: 'cardnumber',
    digits: (text) => { const digits = digitsOf(text); return digits.slice(0, numberMax(brandOf(digits))); },
    format: (digits) => formatNumber(digits),
    check: (digits) => checkNumber(digits),
    full: (digits) => digits.length >= numberMax(brandOf(digits)),
  },
  expiry: {
    autocomplete: 'cc-exp',
    name: 'exp-date',
    digits: (text, forward) => expiryDigits(text, forward),
    format: formatExpiry,
    check: (digits) => checkExpiry(digits, new Date()),
    full: (digits) => digits.length >= (digits.slice(2, 4) === '20' ? 6 : 4),
  },
  cvc: {
    autocomplete: 'cc-csc',
    name: 'cvc',
    digits: (text, _forward, of) => digitsOf(text).slice(0, cvcMax(of)),
    format: (digits) => digits,
    check: checkCvc,
    full: (digits, of) => digits.length >= cvcMax(of),
  },
};

// "past" of an expiry is expiryPast; null when nothing is wrong.
export function troubleOf(kind: Kind, verdict: Verdict): FieldText | null {
  if (verdict === 'complete') return null;
  const ends = { empty: 'Empty', incomplete: 'Incomplete', invalid: 'Invalid', past: 'Past' } as const;
  return `${kind}${ends[verdict]}` as FieldText;
}
