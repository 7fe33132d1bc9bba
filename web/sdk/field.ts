// A field in the shop's page: a frame of the card origin, and what it reports.
import { Command, Kind, Report, Tokenized, pack, unpack } from '../shared/protocol';

export interface FieldPlace { cardUrl: string; group: string; language: string; title: string }

type Listener = (event: never) => void;

const HEIGHT_MAX = 200;

export class CardField implements Florin.Field {
  private frame: HTMLIFrameElement | null = null;
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly waiting = new Map<number, (result: Tokenized) => void>();
  private calls = 0;
  private ready = false;
  private focusWanted = false;
  private readonly origin: string;
  private readonly hear = (event: MessageEvent): void => this.onMessage(event);

  constructor(readonly kind: Kind, private readonly place: FieldPlace, private options: Florin.FieldOptions) {
    this.origin = new URL(place.cardUrl).origin;
  }

  get mounted(): boolean {
    return this.frame !== null && this.frame.isConnected;
  }

  mount(where: Element | string): this {
    const element = typeof where === 'string' ? document.querySelector(where) : where;
    if (!element) throw new Error(`Florin: there is no element ${String(where)}`);
    this.unmount();
    const frame = document.createElement('iframe'), { place } = this;
    const query = new URLSearchParams({ o: location.origin, g: place.group, l: place.language });
    frame.src = `${place.cardUrl}/fields/${this.kind}?${query.toString()}`;
    frame.title = this.options.label ?? place.title;
    frame.referrerPolicy = 'no-referrer';
    frame.style.cssText = 'display:block;width:100%;height:2.75rem;border:0;margin:0;padding:0;background:transparent;color-scheme:inherit';
    this.frame = frame;
    window.addEventListener('message', this.hear);
    element.append(frame);
    return this;
  }

  unmount(): void {
    window.removeEventListener('message', this.hear);
    this.frame?.remove();
    this.frame = null;
    this.ready = false;
    for (const done of this.waiting.values()) done({ error: { code: 'unmounted', message: 'The field was taken away.', param: null, decline_code: null } });
    this.waiting.clear();
  }

  on(name: string, listener: Listener): this {
    const all = this.listeners.get(name) ?? new Set<Listener>();
    this.listeners.set(name, all.add(listener));
    return this;
  }

  off(name: string, listener: Listener): this {
    this.listeners.get(name)?.delete(listener);
    return this;
  }

  update(options: Florin.FieldOptions): void {
    this.options = { ...this.options, ...options };
    if (this.ready) this.setUp();
  }

  focus(): void {
    if (this.ready) this.send({ type: 'focus' });
    else this.focusWanted = true;
  }

  blur(): void {
    this.send({ type: 'blur' });
  }

  clear(): void {
    this.send({ type: 'clear' });
  }

  tokenize(token: string, name: string, timeoutMs: number): Promise<Tokenized | null> {
    const call = ++this.calls;
    return new Promise((done) => {
      const timer = setTimeout(() => this.waiting.get(call)?.({ error: { code: 'timeout', message: '', param: null, decline_code: null } }), timeoutMs);
      this.waiting.set(call, (result) => {
        clearTimeout(timer);
        this.waiting.delete(call);
        done(result);
      });
      this.send({ type: 'tokenize', call, token, name });
    });
  }

  private send(command: Command): void {
    this.frame?.contentWindow?.postMessage(pack(command), this.origin);
  }

  private setUp(): void {
    const { style, placeholder, label } = this.options;
    this.send({ type: 'setup', style: { ...style }, placeholder: placeholder ?? null, label: label ?? null });
  }

  private emit(name: string, event?: unknown): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) (listener as (event: unknown) => void)(event);
  }

  // Only this very frame, and only while it shows the card origin.
  private onMessage(event: MessageEvent): void {
    if (event.origin !== this.origin || event.source !== this.frame?.contentWindow) return;
    const report = unpack<Report>(event.data);
    if (!report) return;
    if (report.type === 'hello') this.setUp();
    else if (report.type === 'ready') this.onReady(report.height);
    else if (report.type === 'tokenized') this.waiting.get(report.call)?.(report.error ? { error: report.error } : { paymentMethod: report.paymentMethod });
    else if (report.type === 'change') this.emit('change', { empty: report.empty, complete: report.complete, brand: report.brand, error: report.error });
    else if (report.type === 'focus' || report.type === 'blur' || report.type === 'submit') this.emit(report.type);
  }

  private onReady(height: number): void {
    if (this.frame && height > 0) this.frame.style.height = `${Math.min(height, HEIGHT_MAX)}px`;
    if (this.ready) return;
    this.ready = true;
    this.emit('ready');
    if (this.focusWanted) this.focus();
    this.focusWanted = false;
  }
}
