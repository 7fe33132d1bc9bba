// The bank's page in a frame over the shop's. A dialog keeps the focus in; closing it ends the view and not the payment.

export interface ChallengeTexts { confirm: string; close: string; leave: string; stay: string; go: string }

// Set one by one: a shop's policy may forbid style attributes, but not this.
function make<Name extends keyof HTMLElementTagNameMap>(name: Name, style: string, text?: string): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  made.style.cssText = style;
  if (text !== undefined) made.textContent = text;
  return made;
}

const BUTTON = 'font:inherit;min-height:2.75rem;padding:.4rem 1rem;border:1px solid currentColor;border-radius:.4rem;background:Canvas;color:CanvasText;cursor:pointer';

interface View { dialog: HTMLDialogElement; frame: HTMLIFrameElement; question: HTMLElement; close: HTMLButtonElement; stay: HTMLButtonElement; go: HTMLButtonElement }

function build(url: string, texts: ChallengeTexts): View {
  const dialog = make('dialog', 'box-sizing:border-box;width:min(32rem,100vw);max-width:100vw;height:min(44rem,100dvh);max-height:100dvh;margin:auto;padding:0;border:0;'
    + 'border-radius:.6rem;overflow:hidden;background:Canvas;color:CanvasText;font:1rem/1.5 system-ui,sans-serif');
  const box = make('div', 'display:flex;flex-direction:column;height:100%');
  const head = make('div', 'display:flex;align-items:center;justify-content:space-between;gap:.5rem;padding:.4rem .5rem .4rem 1rem');
  const title = make('h2', 'margin:0;font-size:1rem;color:inherit', texts.confirm);
  const close = make('button', BUTTON, texts.close);
  const question = make('div', 'display:none;flex-wrap:wrap;align-items:center;gap:.5rem;padding:.75rem 1rem');
  const stay = make('button', BUTTON, texts.stay), go = make('button', BUTTON, texts.go);
  const frame = make('iframe', 'flex:1;width:100%;border:0;background:Canvas');
  close.type = stay.type = go.type = 'button';
  question.setAttribute('role', 'alert');
  question.append(make('p', 'margin:0;flex:1 1 14rem', texts.leave), stay, go);
  frame.src = url;
  frame.title = texts.confirm;
  frame.referrerPolicy = 'no-referrer';
  frame.allow = 'publickey-credentials-get *; payment *';
  dialog.setAttribute('aria-label', texts.confirm);
  dialog.dataset.florin = 'challenge';
  head.append(title, close);
  box.append(head, question, frame);
  dialog.append(box);
  return { dialog, frame, question, close, stay, go };
}

// `over` ends when the payment no longer waits for the customer, however that is known. Which of them it was.
export function challenge(url: string, publicOrigin: string, texts: ChallengeTexts, over: (until: AbortSignal) => Promise<void>): Promise<'returned' | 'left'> {
  const view = build(url, texts), ended = new AbortController();
  const before = document.activeElement;
  return new Promise((done) => {
    const hear = (event: MessageEvent): void => {
      const returned = (event.data as { type?: unknown } | null)?.type === 'florin:returned';
      if (returned && event.origin === publicOrigin && event.source === view.frame.contentWindow) end('returned');
    };
    const end = (how: 'returned' | 'left'): void => {
      if (ended.signal.aborted) return;
      ended.abort();
      window.removeEventListener('message', hear);
      view.dialog.close();
      view.dialog.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      done(how);
    };
    const ask = (show: boolean): void => {
      view.question.style.display = show ? 'flex' : 'none';
      (show ? view.stay : view.frame).focus();
    };
    window.addEventListener('message', hear);
    view.dialog.addEventListener('cancel', (event) => { event.preventDefault(); ask(view.question.style.display === 'none'); });
    view.dialog.addEventListener('close', () => end('left')); // a browser may close it at the second Escape
    view.close.addEventListener('click', () => ask(true));
    view.stay.addEventListener('click', () => ask(false));
    view.go.addEventListener('click', () => end('left'));
    document.body.append(view.dialog);
    view.dialog.showModal();
    view.frame.focus();
    void over(ended.signal).then(() => end('returned'));
  });
}
