// Paying by card: the three fields from the card origin, and the name.
import { h } from './dom';
import type { Method, Surroundings } from './method';
import type { PageText } from './texts';

const STYLE: Florin.Style = { fontSize: '16px', fontFamily: 'system-ui, sans-serif', padding: '11px 12px', colorScheme: 'light dark' };
const KINDS: readonly Florin.FieldKind[] = ['number', 'expiry', 'cvc'];

interface Part { field: Florin.Field; row: HTMLElement; error: HTMLElement; state: Florin.Change | null }

function build(kind: Florin.FieldKind, around: Surroundings, submit: () => void): Part {
  const field = around.client.fields.create(kind, { style: STYLE, label: around.text(kind) });
  const box = h('div', { class: 'box' });
  const label = h('span', { class: 'label' }, around.text(kind as PageText));
  const error = h('p', { class: 'error', hidden: true });
  const row = h('div', { class: `field ${kind}` }, label, box, error);
  const part: Part = { field, row, error, state: null };
  label.addEventListener('click', () => field.focus());
  field.on('focus', () => box.classList.add('focus')).on('blur', () => box.classList.remove('focus')).on('submit', submit);
  field.on('change', (change) => { part.state = change; show(part, change.error?.message ?? null); });
  queueMicrotask(() => field.mount(box)); // once the row is in the page
  return part;
}

function show(part: Part, message: string | null): void {
  part.error.textContent = message ?? '';
  part.error.hidden = message === null;
  part.row.classList.toggle('wrong', message !== null);
}

export const card: Method = {
  kind: 'card',
  title: 'card',
  build(around) {
    const form = h('form', { novalidate: true, class: 'card' });
    const submit = (): void => form.requestSubmit();
    const parts = new Map(KINDS.map((kind) => [kind, build(kind, around, submit)] as const));
    const rows = KINDS.map((kind) => parts.get(kind)?.row);
    const name = h('input', { id: 'name', name: 'ccname', autocomplete: 'cc-name', maxlength: 200, autocapitalize: 'words', spellcheck: 'false' });
    const button = h('button', { class: 'pay', type: 'submit' }, around.text('pay'));
    let paying = false;
    form.append(rows[0] as HTMLElement, h('div', { class: 'pair' }, rows[1], rows[2]),
      h('div', { class: 'field' }, h('label', { for: 'name', class: 'label' }, around.text('name')), name), button);
    const busy = (is: boolean): void => {
      paying = is;
      button.setAttribute('aria-disabled', String(is)); // stays focusable: the focus is not lost while it works
      button.textContent = around.text(is ? 'paying' : 'pay');
      around.busy(is);
    };
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (paying) return;
      busy(true);
      const holder = name.value.trim();
      void around.client.confirmPayment({ threeDs: 'frame', ...(holder ? { name: holder } : {}) }).then((result) => {
        busy(false);
        const part = result.error?.param ? parts.get(result.error.param as Florin.FieldKind) : undefined;
        if (part && !result.payment) show(part, result.error?.message ?? null);
        else around.done(result);
        if (result.error && result.payment) parts.get('cvc')?.field.clear();
      }, () => busy(false));
    });
    return form;
  },
};
