// Waiting for a condition with a deadline; nothing in the tests sleeps for luck.
import { setTimeout as sleep } from 'node:timers/promises';

// Sanitized builds are slower: tests/run says by how much.
export const SLOW = Number(process.env.TEST_SLOW ?? 1);

// The first truthy value of `condition` (which may be async). `message` tells what was waited for.
export async function waitFor(condition, { timeout = 10000, interval = 10, message } = {}) {
  const end = Date.now() + timeout * SLOW;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(message?.() ?? `not within ${timeout * SLOW} ms: ${condition}`);
    await sleep(interval);
  }
}
