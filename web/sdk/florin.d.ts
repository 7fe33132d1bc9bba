// Types of florin.js: card fields from the card origin, payments and 3-D Secure in a shop's page.
// Take this file from {card origin}/florin.d.ts beside your sources; `Florin` is a global of the script.

declare namespace Florin {
  interface Options {
    /** Asks your server for a new client token (POST /v1/client_tokens). Called for each attempt: a token works once. */
    clientToken: () => Promise<string>;
    /** "de", "pt-BR", …: en, ru, de, es, pt. Default: the page's language, then the browser's. */
    locale?: string;
    /** Where the fields come from. Default: where florin.js came from. */
    cardUrl?: string;
    /** Florin's public zone. Default: what the card origin says. */
    publicUrl?: string;
  }

  type FieldKind = 'number' | 'expiry' | 'cvc';

  /** Looks of the text within a field; its frame (border, background, size) belongs to your element. Other values are ignored. */
  interface Style {
    color?: string;
    backgroundColor?: string;
    caretColor?: string;
    placeholderColor?: string;
    invalidColor?: string;
    focusColor?: string;
    fontFamily?: string;
    fontSize?: string;
    fontWeight?: string;
    fontStyle?: string;
    fontVariantNumeric?: string;
    letterSpacing?: string;
    lineHeight?: string;
    textAlign?: string;
    padding?: string;
    borderRadius?: string;
    /** "light", "dark" or "light dark": that of your page. */
    colorScheme?: string;
  }

  interface FieldOptions {
    style?: Style;
    placeholder?: string;
    /** What screen readers call the field. */
    label?: string;
  }

  interface Change {
    empty: boolean;
    complete: boolean;
    /** Of the number's field: "visa", "mastercard", "amex", …, "unknown"; else null. */
    brand: string | null;
    error: { code: string; message: string } | null;
  }

  interface FieldEvents {
    ready: undefined;
    change: Change;
    focus: undefined;
    blur: undefined;
    /** Enter was pressed in the field. */
    submit: undefined;
  }

  interface Field {
    readonly kind: FieldKind;
    mount(where: Element | string): Field;
    unmount(): void;
    on<Name extends keyof FieldEvents>(name: Name, listener: (event: FieldEvents[Name]) => void): Field;
    off<Name extends keyof FieldEvents>(name: Name, listener: (event: FieldEvents[Name]) => void): Field;
    update(options: FieldOptions): void;
    focus(): void;
    blur(): void;
    clear(): void;
  }

  interface Problem {
    code: string;
    /** For the customer, in the page's language. */
    message: string;
    /** The field that it is about: "number", "expiry", "cvc"; else null. */
    param: string | null;
    decline_code: string | null;
  }

  interface Card {
    brand: string | null;
    last_four: string | null;
    exp_month: number | null;
    exp_year: number | null;
    funding: string | null;
    issuer: string | null;
    country: string | null;
  }

  interface PaymentMethod {
    id: string;
    type: string;
    status: string | null;
    card: Card;
  }

  interface NextAction {
    type: string;
    url?: string;
    client_token?: string;
    expires_at?: string | number | null;
  }

  /** A payment as a browser sees it. Your server learns of it by webhook, or reads it: do not trust the browser's word. */
  interface Payment {
    id: string;
    status: string;
    amount: number;
    currency: string;
    description?: string | null;
    decline_code?: string | null;
    next_action?: NextAction | null;
    return_url?: string | null;
  }

  type MethodResult = { paymentMethod: PaymentMethod; error?: undefined } | { error: Problem; paymentMethod?: undefined };
  /** With an error there is a payment too, once there is one: it was declined, or the customer has left its confirmation. */
  type PaymentResult = { payment: Payment; error?: undefined } | { error: Problem; payment?: Payment };

  interface ActionOptions {
    /** In a frame over the page (default), or by going to the bank's page; then call retrievePayment on the page of return_url. */
    threeDs?: 'frame' | 'redirect';
  }

  interface ConfirmOptions extends ActionOptions {
    /** Name on the card. */
    name?: string;
    /** In minor units, when the client token allows a range. */
    amount?: number;
  }

  interface Client {
    readonly fields: { create(kind: FieldKind, options?: FieldOptions): Field };
    createPaymentMethod(options?: { name?: string }): Promise<MethodResult>;
    confirmPayment(options?: ConfirmOptions): Promise<PaymentResult>;
    /** What a payment that your server made asks of the customer: payment.next_action, with its client_token. */
    handleNextAction(payment: Payment, options?: ActionOptions): Promise<PaymentResult>;
    /** After threeDs: "redirect", on the page that the customer came back to. null: no payment was under way. */
    retrievePayment(): Promise<PaymentResult | null>;
  }
}

declare function Florin(options: Florin.Options): Florin.Client;

interface Window {
  Florin: typeof Florin;
}
