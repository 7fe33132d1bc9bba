// What the SDK in the shop's page and the fields say to each other by postMessage. No message from a field has a digit of a
// card in it, but for the last four that Florin's own answer shows.

export const KINDS = ['number', 'expiry', 'cvc'] as const;
export type Kind = (typeof KINDS)[number];

export interface Trouble { code: string; message: string; param: string | null; decline_code: string | null }

export interface CardShown {
  brand: string | null; last_four: string | null; exp_month: number | null; exp_year: number | null;
  funding: string | null; issuer: string | null; country: string | null;
}
export interface MethodShown { id: string; type: string; status: string | null; card: CardShown }

export type Tokenized = { paymentMethod: MethodShown; error?: undefined } | { error: Trouble; paymentMethod?: undefined };

// To a field.
export type Command =
  | { type: 'setup'; style: unknown; placeholder: unknown; label: unknown }
  | { type: 'focus' } | { type: 'blur' } | { type: 'clear' }
  | { type: 'tokenize'; call: number; token: string; name: string };

export interface Change { empty: boolean; complete: boolean; brand: string | null; error: { code: string; message: string } | null }

// From a field.
export type Report =
  | { type: 'hello' }
  | { type: 'ready'; height: number }
  | ({ type: 'change' } & Change)
  | { type: 'focus' } | { type: 'blur' } | { type: 'submit' }
  | ({ type: 'tokenized'; call: number } & Tokenized);

// All messages carry it: other scripts of the page send messages too.
export const MARK = 'florin:1';

export function pack<M extends Command | Report>(message: M): M & { florin: string } {
  return { ...message, florin: MARK };
}

// Is it one of ours? The members are checked where they are used; who sent it is checked before.
export function unpack<M extends Command | Report>(data: unknown): M | null {
  const ours = typeof data === 'object' && data !== null && (data as { florin?: unknown }).florin === MARK;
  return ours ? (data as M) : null;
}
