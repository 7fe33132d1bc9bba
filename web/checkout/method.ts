// A way to pay is a section of the page. Later rails (a QR code, a redirect to a bank) become one more file like card.ts and one
// more line in METHODS.
import type { Checkout } from './state';
import type { PageText } from './texts';

export interface Surroundings {
  checkout: Checkout;
  language: string;
  text(name: PageText): string; // filled in
  client: Florin.Client;
  /** The payment is under way, or waits for the customer's next attempt. */
  busy(is: boolean): void;
  /** How it ended, for now. */
  done(result: Florin.PaymentResult): void;
}

export interface Method {
  kind: string;
  title: PageText;
  build(around: Surroundings): HTMLElement;
}
