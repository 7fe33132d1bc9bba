// What the page is told of the checkout, and which of its screens that means. Pure.

// amount: of one
export interface Item { name: string; quantity: number; amount: number }

export interface Checkout {
  id: string;
  status: 'open' | 'processing' | 'complete' | 'expired';
  amount: number;
  currency: string;
  exponent?: number | null; // digits of the minor unit, where Florin's differ from the browser's
  description?: string | null;
  items?: Item[] | null;
  merchant_name?: string | null;
  return_url?: string | null;
  locale?: string | null;
  mode?: string | null;
}

export interface State { checkout: Checkout; payment: Florin.Payment | null }

export interface Config {
  card_url: string;
  public_url: string;
  state: unknown; // as GET …/state answers it; null: it is to be asked for
}

// GET …/state: the checkout's members, `merchant` and `payment`. null: it is no checkout.
export function stateOf(json: unknown): State | null {
  const answer = json as (Checkout & { merchant?: { name?: string | null } | null; payment?: Florin.Payment | null }) | null;
  if (typeof answer !== 'object' || answer === null || typeof answer.amount !== 'number' || typeof answer.currency !== 'string') return null;
  const { payment = null, merchant, ...checkout } = answer;
  return { checkout: { ...checkout, merchant_name: merchant?.name ?? null }, payment };
}

export type Screen = 'pay' | 'confirm' | 'processing' | 'paid' | 'expired';

const PAID = ['authorized', 'partially_captured', 'captured', 'refunded'];

export function screenOf(state: State): Screen {
  const { checkout, payment } = state;
  if (checkout.status === 'complete' || (payment && PAID.includes(payment.status))) return 'paid';
  if (payment?.status === 'requires_action' && payment.next_action?.url) return 'confirm';
  if (payment && ['processing', 'pending', 'in_review', 'requires_action'].includes(payment.status)) return 'processing';
  if (checkout.status === 'expired') return 'expired';
  return checkout.status === 'processing' && !payment ? 'processing' : 'pay';
}

// "€ 12.30" as the reader's language writes it; minor units as Florin counts them.
export function amountText(minor: number, checkout: Pick<Checkout, 'currency' | 'exponent'>, locale: string): string {
  const own = new Intl.NumberFormat(locale, { style: 'currency', currency: checkout.currency });
  const digits = checkout.exponent ?? own.resolvedOptions().maximumFractionDigits ?? 2;
  const shown = new Intl.NumberFormat(locale, { style: 'currency', currency: checkout.currency, minimumFractionDigits: digits, maximumFractionDigits: digits });
  return shown.format(minor / 10 ** digits);
}

// Back to the shop, which is told what it would be told after a redirect. Only http and https lead anywhere.
export function returnAddress(checkout: Checkout, payment: Florin.Payment | null): string | null {
  if (!checkout.return_url || !/^https?:\/\//i.test(checkout.return_url)) return null;
  const url = new URL(checkout.return_url);
  url.searchParams.set('checkout', checkout.id);
  if (payment) {
    url.searchParams.set('payment', payment.id);
    url.searchParams.set('status', payment.status);
  }
  return url.toString();
}
