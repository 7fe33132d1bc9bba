// One field of a card: /fields/{number|expiry|cvc}?o=ORIGIN&g=GROUP&l=LANGUAGE, in a frame of a shop's page.
import { Brand, UNKNOWN, brandOf, expiryOf } from '../shared/card';
import { caretBehind, withoutNeighbour } from '../shared/edit';
import { languageOf } from '../shared/language';
import { Command, KINDS, Kind, Report, Trouble, pack, unpack } from '../shared/protocol';
import { declarations } from '../shared/style';
import { join, sibling } from './group';
import { drawMark } from './marks';
import { RULES, troubleOf } from './rules';
import { take } from './take';
import { FieldText, TEXTS } from './texts';

const asked = new URLSearchParams(location.search);
const kind = KINDS.find((one) => location.pathname.endsWith(`/${one}`)) as Kind;
const origin = asked.get('o') ?? '', group = asked.get('g') ?? '';
const language = languageOf(asked.get('l'), navigator.language);
const texts = TEXTS[language], rules = RULES[kind];

const form = document.querySelector('form') as HTMLFormElement;
const input = document.querySelector('#field') as HTMLInputElement;
const label = document.querySelector('label') as HTMLLabelElement;
const said = document.querySelector('#said') as HTMLElement;
const mark = document.querySelector('#mark') as HTMLElement;

let digits = '', shownText = '', trouble: FieldText | null = null, cardBrand: Brand = UNKNOWN;
let visited = false, sending = false;

function tell(report: Report): void {
  window.parent.postMessage(pack(report), origin);
}

function tellChange(): void {
  const verdict = rules.check(digits, cardBrand);
  tell({
    type: 'change',
    empty: verdict === 'empty',
    complete: verdict === 'complete',
    brand: kind === 'number' ? cardBrand.name : null,
    error: trouble ? { code: trouble, message: texts[trouble] } : null,
  });
}

// Says what is wrong, for eyes by colour, for screen readers in the live region.
function showTrouble(found: FieldText | null): void {
  if (found === trouble) return;
  trouble = found;
  said.textContent = found ? texts[found] : '';
  document.documentElement.classList.toggle('invalid', found !== null);
  if (found) input.setAttribute('aria-invalid', 'true');
  else input.removeAttribute('aria-invalid');
}

// While one types only that is wrong which more typing cannot mend; when one leaves, all of it, but for a field left empty.
function judge(leaving: boolean): void {
  const verdict = rules.check(digits, cardBrand), final = leaving || (visited && trouble !== null) || rules.full(digits, cardBrand);
  showTrouble(verdict === 'empty' || !final ? null : troubleOf(kind, verdict));
}

function setBrand(of: Brand): void {
  if (of.name === cardBrand.name) return;
  cardBrand = of;
  if (kind === 'number') {
    mark.replaceChildren(drawMark(of));
    sibling(group, 'cvc')?.brandIs(of);
  }
}

function put(now: string, forward: boolean, caret: number | null): void {
  digits = now;
  shownText = rules.format(digits, forward);
  if (input.value !== shownText) input.value = shownText;
  if (caret !== null && document.activeElement === input) input.setSelectionRange(caret, caret);
  if (kind === 'number') setBrand(brandOf(digits));
}

function typed(event: Event): void {
  const inputType = event instanceof InputEvent ? event.inputType : '';
  const forward = !inputType.startsWith('delete'), caret = input.selectionStart ?? input.value.length;
  const atEnd = caret === input.value.length;
  const kept = rules.digits(input.value, forward, cardBrand);
  const edited = withoutNeighbour(shownText, input.value, kept, caret, inputType);
  const text = rules.format(edited.digits, forward && atEnd);
  put(edited.digits, forward && atEnd, atEnd && forward ? text.length : caretBehind(text, edited.left, forward));
  judge(false);
  tellChange();
}

function fill(text: string): void {
  if (!text) return;
  put(rules.digits(text, true, cardBrand), true, null);
  judge(true);
  tellChange();
}

// Some browsers fill in only the frame that has the focus. It has inputs, out of sight, for what belongs into the others.
function forwardFilled(): void {
  for (const other of document.querySelectorAll<HTMLInputElement>('input[data-for]')) {
    other.addEventListener('input', () => {
      sibling(group, other.dataset.for as Kind)?.fill(other.value);
      other.value = '';
    });
  }
}

function fault(code: string, message: string, param: string | null): { error: Trouble } {
  return { error: { code, message, param, decline_code: null } };
}

async function tokenize(token: string, name: string): ReturnType<typeof take> {
  const expiry = sibling(group, 'expiry'), cvc = sibling(group, 'cvc');
  if (!expiry || !cvc) return fault('fields_missing', 'The fields number, expiry and cvc must be mounted in the page.', null);
  const wrong = ([['number', member], ['expiry', expiry], ['cvc', cvc]] as const).map(([param, of]) => [param, of.trouble()] as const);
  const first = wrong.find(([, found]) => found !== null);
  if (first && first[1]) return fault('incomplete', texts[first[1]], first[0]);
  const card = { number: digits, ...expiryOf(expiry.digits()), cvc: cvc.digits(), name };
  return take(card, token, origin, texts);
}

async function onTokenize(call: number, token: string, name: string): Promise<void> {
  if (kind !== 'number') return;
  if (sending) {
    tell({ type: 'tokenized', call, ...fault('busy', 'The card is being sent already.', null) });
    return;
  }
  sending = true;
  const result = await tokenize(token, name);
  sending = false;
  if (result.error?.param === 'number') input.focus();
  tell({ type: 'tokenized', call, ...result });
}

function setUp(command: Extract<Command, { type: 'setup' }>): void {
  const root = document.documentElement;
  for (const [property, value] of declarations(command.style)) {
    (property.startsWith('--') || property === 'color-scheme' ? root : input).style.setProperty(property, value);
  }
  if (typeof command.placeholder === 'string') input.placeholder = command.placeholder.slice(0, 60);
  if (typeof command.label === 'string' && command.label) label.textContent = command.label.slice(0, 100);
  tell({ type: 'ready', height: Math.ceil(form.getBoundingClientRect().height) });
}

function onCommand(command: Command): void {
  if (command.type === 'setup') setUp(command);
  else if (command.type === 'focus') input.focus();
  else if (command.type === 'blur') input.blur();
  else if (command.type === 'clear') { put('', false, null); visited = false; showTrouble(null); tellChange(); }
  else if (command.type === 'tokenize' && typeof command.call === 'number') {
    void onTokenize(command.call, String(command.token), typeof command.name === 'string' ? command.name : '');
  }
}

const member = {
  group,
  kind,
  digits: () => digits,
  trouble: () => {
    visited = true;
    showTrouble(troubleOf(kind, rules.check(digits, cardBrand)));
    tellChange();
    return trouble;
  },
  brandIs: (of: Brand) => {
    cardBrand = of;
    if (digits && visited) { judge(true); tellChange(); }
  },
  fill,
};

function dress(): void {
  document.documentElement.lang = language;
  document.title = label.textContent = texts[kind];
  input.placeholder = kind === 'expiry' ? texts.expiryPlaceholder : kind === 'number' ? '1234 1234 1234 1234' : '';
  input.autocomplete = rules.autocomplete as AutoFill;
  input.name = rules.name;
  form.classList.add(kind);
  if (kind === 'number') mark.append(drawMark(UNKNOWN));
  else document.querySelectorAll('input[data-for]').forEach((one) => one.remove());
}

function listen(): void {
  input.addEventListener('input', typed);
  input.addEventListener('focus', () => tell({ type: 'focus' }));
  input.addEventListener('blur', () => {
    visited = true;
    if (digits) judge(true);
    tellChange();
    tell({ type: 'blur' });
  });
  form.addEventListener('submit', (event) => { event.preventDefault(); tell({ type: 'submit' }); });
  window.addEventListener('message', (event) => {
    if (event.source !== window.parent || event.origin !== origin) return;
    const command = unpack<Command>(event.data);
    if (command) onCommand(command);
  });
}

// Alone, or in a page that has not said who it is, a field takes nothing.
if (kind && group && origin && window.parent !== window) {
  dress();
  join(member);
  const number = kind === 'cvc' ? sibling(group, 'number') : undefined;
  if (number) cardBrand = brandOf(number.digits());
  if (input.value) fill(input.value); // the browser was faster
  forwardFilled();
  listen();
  tell({ type: 'hello' });
}
