// Florin's public zone as a browser uses it: confirming a payment, and looking how it stands.

export interface Answer { status: number; body: Record<string, unknown> }

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function once(url: string, token: string, body?: unknown): Promise<Answer> {
  try {
    const response = await fetch(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer',
    });
    return { status: response.status, body: ((await response.json()) ?? {}) as Record<string, unknown> };
  } catch {
    return { status: 0, body: {} };
  }
}

// No answer, or a passing trouble: once more, the same. The token makes that safe: it pays once.
async function patiently(url: string, token: string, body?: unknown): Promise<Answer> {
  let answer = await once(url, token, body);
  for (const ms of [500, 1500, 4000]) {
    if (answer.status !== 0 && answer.status !== 429 && answer.status < 500) break;
    await pause(ms);
    answer = await once(url, token, body);
  }
  return answer;
}

// A payment is the answer itself or, when it was declined, a member of the problem.
export function paymentOf(answer: Answer): Florin.Payment | null {
  const inside = answer.body.payment as Record<string, unknown> | undefined | null;
  const payment = typeof inside === 'object' && inside !== null ? inside : answer.body;
  return typeof payment.id === 'string' && typeof payment.status === 'string' && payment.code === undefined ? (payment as unknown as Florin.Payment) : null;
}

export class PublicZone {
  private url: string | null;

  constructor(private readonly cardUrl: string, publicUrl?: string) {
    this.url = publicUrl ? publicUrl.replace(/\/+$/, '') : null;
  }

  async base(): Promise<string> {
    if (this.url) return this.url;
    const response = await fetch(`${this.cardUrl}/config.json`, { credentials: 'omit', referrerPolicy: 'no-referrer' });
    const config = (await response.json()) as { public_url?: unknown };
    if (typeof config.public_url !== 'string') throw new Error('Florin: the card origin does not say where the public zone is');
    return (this.url = config.public_url.replace(/\/+$/, ''));
  }

  async confirm(token: string, amount?: number): Promise<Answer> {
    return patiently(`${await this.base()}/client/confirm`, token, amount === undefined ? {} : { amount });
  }

  async payment(token: string): Promise<Answer> {
    return patiently(`${await this.base()}/client/payment`, token);
  }

  // Looks again with growing pauses as long as `open` says so. The last that was seen; null: nothing was.
  async settled(token: string, open: (payment: Florin.Payment) => boolean, seconds: number): Promise<Florin.Payment | null> {
    const end = Date.now() + seconds * 1000;
    let seen: Florin.Payment | null = null;
    for (let wait = 400; ; wait = Math.min(wait * 1.6, 8000)) {
      seen = paymentOf(await this.payment(token)) ?? seen;
      if ((seen && !open(seen)) || Date.now() + wait > end) return seen;
      await pause(wait);
    }
  }
}
