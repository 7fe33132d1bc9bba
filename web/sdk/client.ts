// Florin(…): the fields of one form, and the payment that is made with them.
import { languageOf } from '../shared/language';
import { KINDS, Kind, Trouble } from '../shared/protocol';
import { challenge } from './challenge';
import { CardField } from './field';
import { Answer, PublicZone, paymentOf } from './public';
import { SdkText, TEXTS, declineText } from './texts';

const KEPT = 'florin.payment'; // in the session's storage, while the customer is at the bank
const TAKE_MS = 45000, SETTLE_S = 60, CHALLENGE_S = 900, SAME_S = 5;

const isUnderWay = (payment: Florin.Payment): boolean => payment.status === 'processing' || payment.status === 'pending';
const isAsking = (payment: Florin.Payment): boolean => payment.status === 'requires_action';
const isLost = (payment: Florin.Payment): boolean => ['failed', 'canceled', 'expired'].includes(payment.status);

function randomText(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

// Where a browser may be sent: a script in an address would run in the shop's page.
function webAddress(url: string | null | undefined): string | null {
  return url && /^https?:\/\//i.test(url) ? url : null;
}

function problem(code: string, message: string, decline: string | null = null): Trouble {
  return { code, message, param: null, decline_code: decline };
}

export class Client implements Florin.Client {
  readonly fields = { create: (kind: Kind, options: Florin.FieldOptions = {}): Florin.Field => this.create(kind, options) };
  private readonly cardUrl: string;
  private readonly language;
  private readonly zone: PublicZone;
  private readonly group = randomText();
  private readonly made = new Map<Kind, CardField>();
  private token = '';

  constructor(private readonly options: Florin.Options, scriptUrl: string | null) {
    const from = options.cardUrl ?? (scriptUrl ? new URL(scriptUrl).origin : null);
    if (!from) throw new Error('Florin: say cardUrl when florin.js is not loaded by a script element');
    if (typeof options.clientToken !== 'function') throw new Error('Florin: clientToken must be a function that promises a token');
    this.cardUrl = from.replace(/\/+$/, '');
    this.language = languageOf(options.locale, document.documentElement.lang, navigator.language);
    this.zone = new PublicZone(this.cardUrl, options.publicUrl);
  }

  async createPaymentMethod(options: { name?: string } = {}): Promise<Florin.MethodResult> {
    const number = this.made.get('number');
    if (!number || KINDS.some((kind) => !this.made.get(kind)?.mounted)) {
      return { error: problem('fields_missing', 'The fields number, expiry and cvc must be mounted in the page.') };
    }
    try {
      this.token = await this.options.clientToken();
    } catch (error) {
      return { error: problem('client_token_failed', this.text('later') || String(error)) };
    }
    const result = await number.tokenize(this.token, options.name ?? '', TAKE_MS);
    if (result?.error?.param && result.error.param !== 'number') this.made.get(result.error.param as Kind)?.focus();
    if (result?.paymentMethod) return { paymentMethod: result.paymentMethod };
    return { error: { ...(result?.error ?? problem('timeout', '')), message: result?.error?.message || this.text('later') } };
  }

  async confirmPayment(options: Florin.ConfirmOptions = {}): Promise<Florin.PaymentResult> {
    const method = await this.createPaymentMethod(options.name === undefined ? {} : { name: options.name });
    if (method.error) return { error: method.error };
    return this.goOn(await this.zone.confirm(this.token, options.amount), this.token, options);
  }

  async handleNextAction(payment: Florin.Payment, options: Florin.ActionOptions = {}): Promise<Florin.PaymentResult> {
    const token = payment.next_action?.client_token ?? this.token;
    const url = webAddress(payment.next_action?.url);
    if (!isAsking(payment) || !url || !token) return this.resultOf(payment);
    if (options.threeDs === 'redirect' || payment.next_action?.type === 'redirect') {
      sessionStorage.setItem(KEPT, token);
      location.assign(url);
      return new Promise<never>(() => undefined); // the page goes away
    }
    const publicOrigin = new URL(await this.zone.base()).origin;
    const texts = TEXTS[this.language];
    const how = await challenge(url, publicOrigin, texts, (until) => this.answered(token, until));
    if (how === 'left') {
      const now = paymentOf(await this.zone.payment(token)) ?? payment;
      return isAsking(now) ? { error: problem('authentication_left', texts.left), payment: now } : this.finish(now, token, options);
    }
    return this.afterReturn(url, token, options);
  }

  async retrievePayment(): Promise<Florin.PaymentResult | null> {
    const token = sessionStorage.getItem(KEPT);
    if (!token) return null;
    this.token = token; // for handleNextAction, should the customer have come back without an answer
    const answer = await this.zone.payment(token);
    const seen = paymentOf(answer);
    const result = seen && isAsking(seen) ? await this.resultAfter(await this.zone.confirm(token), token) : await this.resultAfter(answer, token);
    if (result.payment && !isAsking(result.payment) && !isUnderWay(result.payment)) sessionStorage.removeItem(KEPT);
    return result;
  }

  private create(kind: Kind, options: Florin.FieldOptions): Florin.Field {
    if (!KINDS.includes(kind)) throw new Error(`Florin: there is no field ${String(kind)}`);
    if (this.made.has(kind)) throw new Error(`Florin: there is a field ${kind} already; another form needs its own Florin(…)`);
    const field = new CardField(kind, { cardUrl: this.cardUrl, group: this.group, language: this.language, title: this.text(kind) }, options);
    this.made.set(kind, field);
    return field;
  }

  private text(name: SdkText): string {
    return TEXTS[this.language][name];
  }

  // Also without the frame's word the payment may have gone on: the bank's app, the provider's webhook.
  private async answered(token: string, until: AbortSignal): Promise<void> {
    const end = Date.now() + CHALLENGE_S * 1000;
    for (let wait = 4000; !until.aborted && Date.now() < end; wait = Math.min(wait * 1.3, 15000)) {
      await new Promise((done) => setTimeout(done, wait));
      if (until.aborted) return;
      const seen = paymentOf(await this.zone.payment(token));
      if (seen && !isAsking(seen)) return;
    }
  }

  // The frame came back and the payment asks for the same again: the bank's word is on its way, or the customer gave none.
  private async afterReturn(url: string, token: string, options: Florin.ActionOptions): Promise<Florin.PaymentResult> {
    const answer = await this.zone.confirm(token);
    const same = (payment: Florin.Payment): boolean => isAsking(payment) && payment.next_action?.url === url;
    const seen = paymentOf(answer);
    if (!seen || !same(seen)) return this.goOn(answer, token, options);
    const later = (await this.zone.settled(token, same, SAME_S)) ?? seen;
    return same(later) ? { error: problem('authentication_left', this.text('left')), payment: later } : this.finish(later, token, options);
  }

  private goOn(answer: Answer, token: string, options: Florin.ActionOptions): Promise<Florin.PaymentResult> {
    const payment = paymentOf(answer);
    return payment ? this.finish(payment, token, options) : Promise.resolve({ error: this.problemOf(answer) });
  }

  private async finish(payment: Florin.Payment, token: string, options: Florin.ActionOptions): Promise<Florin.PaymentResult> {
    const now = isUnderWay(payment) ? ((await this.zone.settled(token, isUnderWay, SETTLE_S)) ?? payment) : payment;
    return isAsking(now) && webAddress(now.next_action?.url) ? this.handleNextAction(now, options) : this.resultOf(now);
  }

  private async resultAfter(answer: Answer, token: string): Promise<Florin.PaymentResult> {
    const payment = paymentOf(answer);
    if (!payment) return { error: this.problemOf(answer) };
    return this.resultOf(isUnderWay(payment) ? ((await this.zone.settled(token, isUnderWay, SETTLE_S)) ?? payment) : payment);
  }

  private resultOf(payment: Florin.Payment): Florin.PaymentResult {
    if (!isLost(payment)) return { payment };
    const decline = payment.decline_code ?? null;
    const message = payment.status === 'expired' ? this.text('expired') : this.text(declineText(decline));
    return { error: problem(payment.status === 'failed' ? 'payment_declined' : `payment_${payment.status}`, message, decline), payment };
  }

  private problemOf(answer: Answer): Trouble {
    const code = typeof answer.body.code === 'string' ? answer.body.code : answer.status ? `http_${answer.status}` : 'network_error';
    return problem(code, this.text('later'), typeof answer.body.decline_code === 'string' ? answer.body.decline_code : null);
  }
}
