/// <reference path="../sdk/florin.d.ts" />
// The hosted page of a payment: what is paid for, the ways to pay, and how it went. It knows nothing that the customer may not
// know, and no card number: the fields are the card role's.
import { languageOf, localeOf } from '../shared/language';
import { challenge } from '../sdk/challenge';
import { Client } from '../sdk/client';
import { TEXTS as SDK_TEXTS, declineText } from '../sdk/texts';
import { card } from './card';
import { h, sign } from './dom';
import type { Method } from './method';
import { Config, Screen, State, amountText, returnAddress, screenOf, stateOf } from './state';
import { PageText, TEXTS, fillIn } from './texts';

const METHODS: readonly Method[] = [card];

const config = JSON.parse(document.querySelector('#config')?.textContent ?? '{}') as Config;
const main = document.querySelector('main') as HTMLElement;
const base = location.pathname.replace(/\/+$/, '');
let state = stateOf(config.state) as State; // at once, or before the first screen
let language = languageOf(...navigator.languages), locale: string = language;
let paidHere = false, drawn: Screen | null = null, watching: AbortController | null = null;

function chooseLanguage(): void {
  const wishes = [new URLSearchParams(location.search).get('locale'), state.checkout.locale, ...navigator.languages];
  language = languageOf(...wishes);
  locale = localeOf(language, ...wishes);
}

function money(minor: number): string {
  return amountText(minor, state.checkout, locale);
}

function text(name: PageText): string {
  const nameless = { payTo: 'title', back: 'backToShop' } as const;
  const said = state.checkout.merchant_name ? name : nameless[name as keyof typeof nameless] ?? name;
  return fillIn(TEXTS[language][said], { merchant: state.checkout.merchant_name ?? '', amount: money(state.checkout.amount) });
}

async function look(): Promise<boolean> {
  try {
    const response = await fetch(`${base}/state`, { credentials: 'omit', cache: 'no-store' });
    const seen = response.ok ? stateOf(await response.json()) : null;
    if (seen) state = seen;
    return seen !== null;
  } catch {
    return false;
  }
}

async function mint(): Promise<string> {
  const response = await fetch(`${base}/token`, { method: 'POST', credentials: 'omit', headers: { 'content-type': 'application/json' }, body: '{}' });
  const body = (await response.json()) as { client_token?: unknown };
  if (typeof body.client_token === 'string') return body.client_token;
  await refresh(); // paid meanwhile, or over: the page says so
  throw new Error('no client token');
}

// --- parts ---

function summary(): HTMLElement {
  const { checkout } = state, items = checkout.items ?? [];
  const list = h('ul', { class: 'items' }, ...items.map((item) => h('li', {},
    h('span', {}, item.name, item.quantity > 1 && h('small', {}, ` × ${item.quantity}`)), h('span', { class: 'amount' }, money(item.amount * item.quantity)))));
  return h('section', { class: 'summary', 'aria-label': text('payTo') },
    checkout.merchant_name ? h('p', { class: 'merchant' }, checkout.merchant_name) : null,
    h('p', { class: 'sum' }, money(checkout.amount)),
    checkout.description ? h('p', { class: 'soft' }, checkout.description) : null,
    items.length > 0 && list,
    items.length > 0 && h('p', { class: 'total' }, h('span', {}, text('total')), h('span', { class: 'amount' }, money(checkout.amount))));
}

function heading(words: string, shape?: Parameters<typeof sign>[0]): HTMLElement {
  return h('div', { class: 'heading' }, shape ? sign(shape) : null, h('h1', { tabindex: -1 }, words));
}

function backLink(): HTMLElement | null {
  const address = returnAddress(state.checkout, state.payment);
  return address ? h('p', {}, h('a', { class: 'button', href: address, rel: 'noreferrer' }, text('back'))) : null;
}

function reference(): HTMLElement | null {
  return state.payment ? h('p', { class: 'soft small' }, `${text('reference')}: `, h('span', { class: 'id' }, state.payment.id)) : null;
}

function message(title: PageText, words: PageText, shape: Parameters<typeof sign>[0], ...more: (HTMLElement | null)[]): HTMLElement {
  return h('section', { class: 'result' }, heading(text(title), shape), h('p', { role: 'status' }, text(words)), ...more);
}

function alertBox(words: string): HTMLElement {
  return h('div', { class: 'alert', role: 'alert' }, h('strong', {}, text('declined')), h('p', {}, words), h('p', {}, text('again')));
}

// --- screens ---

function client(): Florin.Client {
  return new Client({ clientToken: mint, cardUrl: config.card_url, publicUrl: config.public_url, locale: language }, null);
}

function failed(): string | null {
  const { payment } = state;
  return payment?.status === 'failed' ? SDK_TEXTS[language][declineText(payment.decline_code)] : null;
}

function payScreen(): HTMLElement {
  const news = h('div', { class: 'news' });
  const before = failed();
  if (before) news.append(alertBox(before));
  const section = h('section', { class: 'pay' }, h('h1', { tabindex: -1 }, text('payTo')), news);
  const around = {
    checkout: state.checkout, language, text, client: client(),
    busy: (is: boolean): void => { section.setAttribute('aria-busy', String(is)); if (is) news.replaceChildren(); },
    done: (result: Florin.PaymentResult): void => { void after(result, news); },
  };
  for (const method of METHODS) {
    section.append(h('section', { class: 'method', 'data-kind': method.kind, 'aria-label': text(method.title) }, h('h2', {}, text(method.title)), method.build(around)));
  }
  section.append(h('p', { class: 'soft small' }, text('secure')));
  return section;
}

async function after(result: Florin.PaymentResult, news: HTMLElement): Promise<void> {
  if (result.payment) state = { ...state, payment: result.payment };
  if (!result.error) paidHere = true;
  await look();
  if (screenOf(state) !== 'pay' || drawn !== 'pay') draw(); // the form, where it is shown already, keeps what was typed
  else if (result.error) news.replaceChildren(alertBox(result.error.message));
}

// The token of the attempt went with the page that had it. The state says as much as is needed: the bank's page leads back to
// Florin, which goes on with the payment, and this page looks how it went.
async function resume(payment: Florin.Payment): Promise<Florin.PaymentResult> {
  const url = payment.next_action?.url ?? '';
  if (payment.next_action?.client_token || !/^https?:/i.test(url)) return client().handleNextAction(payment, { threeDs: 'frame' });
  if (payment.next_action?.type === 'redirect') {
    location.assign(url);
    return new Promise<never>(() => undefined);
  }
  const how = await challenge(url, new URL(config.public_url).origin, SDK_TEXTS[language], (until) => lookWhile('confirm', until, 900));
  if (how === 'returned') await lookWhile('confirm', new AbortController().signal, 8);
  return { payment: state.payment ?? payment };
}

// Looks again with growing pauses as long as the state means that screen.
async function lookWhile(screen: Screen, until: AbortSignal, seconds: number): Promise<void> {
  const end = Date.now() + seconds * 1000;
  for (let wait = 1000; !until.aborted && Date.now() < end; wait = Math.min(wait * 1.4, 15000)) {
    if ((await look()) && screenOf(state) !== screen) return;
    await new Promise((done) => setTimeout(done, wait));
  }
}

function confirmScreen(): HTMLElement {
  const button = h('button', { class: 'pay', type: 'button' }, text('confirmButton')), news = h('div', { class: 'news' });
  button.addEventListener('click', () => {
    if (button.disabled || !state.payment) return;
    button.disabled = true;
    void resume(state.payment).then((result) => { button.disabled = false; return after(result, news); });
  });
  return message('confirm', 'confirmText', 'asks', button, news);
}

// The payment may also go on without this page: at the bank's app, in another tab, at the shop's server.
async function watch(screen: Screen): Promise<void> {
  const { signal } = (watching = new AbortController());
  await lookWhile(screen, signal, 3600);
  if (signal.aborted || screenOf(state) === screen) return;
  paidHere = true;
  draw();
}

function paidScreen(): HTMLElement {
  const [title, words] = paidHere ? (['paid', 'paidText'] as const) : (['already', 'alreadyText'] as const);
  return message(title, words, 'paid', reference(), backLink());
}

const SCREENS: Readonly<Record<Screen, () => HTMLElement>> = {
  pay: payScreen,
  confirm: confirmScreen,
  processing: () => message('processing', 'processingText', 'wait', reference()),
  paid: paidScreen,
  expired: () => message('expired', 'expiredText', 'warning', backLink()),
};

function draw(): void {
  const first = drawn === null;
  drawn = screenOf(state);
  document.documentElement.lang = language;
  document.title = [text('title'), state.checkout.merchant_name].filter(Boolean).join(' · ');
  const test = state.checkout.mode === 'test' ? h('p', { class: 'test' }, text('test')) : null;
  main.replaceChildren(...[test, h('div', { class: 'columns' }, summary(), SCREENS[drawn]())].filter((part) => part !== null));
  main.removeAttribute('aria-busy');
  if (!first) main.querySelector('h1')?.focus();
  watching?.abort();
  if (drawn === 'processing' || drawn === 'confirm') void watch(drawn);
}

async function refresh(): Promise<void> {
  if ((await look()) && screenOf(state) !== drawn) draw();
}

// Back from the bank by redirect: how it went is news to this customer.
paidHere = new URLSearchParams(location.search).has('payment');
async function begin(): Promise<void> {
  if (state || (await look())) {
    chooseLanguage();
    draw();
    return;
  }
  const again = h('button', { class: 'pay', type: 'button' }, '↻');
  again.setAttribute('aria-label', TEXTS[language].trouble);
  again.addEventListener('click', () => location.reload());
  document.documentElement.lang = language;
  main.replaceChildren(h('p', { role: 'alert' }, TEXTS[language].trouble), again);
  main.removeAttribute('aria-busy');
}
void begin();
window.addEventListener('pageshow', (event) => { if (event.persisted) void refresh(); });
