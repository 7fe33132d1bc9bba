// The number's frame sends the card: to Florin's card role, which is where this page comes from.
import { MonthYear } from '../shared/card';
import type { CardShown, MethodShown, Tokenized, Trouble } from '../shared/protocol';
import type { FieldText } from './texts';

export interface Typed extends MonthYear { number: string; cvc: string; name: string }

const TIMEOUT_MS = 30000;

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function whole(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) ? value : null;
}

function members(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

// Member by member: what else the answer may have does not leave this frame.
export function methodOf(answer: unknown): MethodShown | null {
  const method = members(answer), card = members(method.card), id = text(method.id);
  const shown: CardShown = {
    brand: text(card.brand), last_four: text(card.last_four), exp_month: whole(card.exp_month), exp_year: whole(card.exp_year),
    funding: text(card.funding), issuer: text(card.issuer), country: text(card.country),
  };
  return id ? { id, type: text(method.type) ?? 'card', status: text(method.status), card: shown } : null;
}

const WRONG: Readonly<Record<string, readonly [param: string, text: FieldText]>> = {
  number: ['number', 'numberInvalid'], exp_month: ['expiry', 'expiryInvalid'], exp_year: ['expiry', 'expiryInvalid'], cvc: ['cvc', 'cvcInvalid'],
};

export function troubleFrom(status: number, problem: unknown, texts: Readonly<Record<FieldText, string>>): Trouble {
  const said = members(problem), field = WRONG[text(said.param) ?? ''];
  const own = field ? texts[field[1]] : status === 429 ? texts.tooMany : status === 401 || status === 403 ? texts.tokenOver : null;
  return {
    code: text(said.code) ?? (status ? `http_${status}` : 'network_error'),
    message: own ?? (status >= 400 && status < 500 ? text(said.detail) : null) ?? texts.unavailable,
    param: field ? field[0] : null,
    decline_code: null,
  };
}

export async function take(card: Typed, token: string, pageOrigin: string, texts: Readonly<Record<FieldText, string>>): Promise<Tokenized> {
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), TIMEOUT_MS);
  let status = 0, answer: unknown = null;
  try {
    const response = await fetch('/v1/cards', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        number: card.number, exp_month: card.month, exp_year: card.year, cvc: card.cvc,
        ...(card.name ? { name: card.name } : {}), page_origin: pageOrigin,
      }),
      mode: 'same-origin', credentials: 'omit', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer', signal: end.signal,
    });
    status = response.status;
    answer = await response.json();
  } catch { /* what is missing below says so */ }
  clearTimeout(timer);
  const method = status >= 200 && status < 300 ? methodOf(answer) : null;
  return method ? { paymentMethod: method } : { error: troubleFrom(status >= 400 ? status : 0, answer, texts) };
}
