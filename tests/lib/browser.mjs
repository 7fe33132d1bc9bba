// A real Chromium: what a customer's browser does. CHROMIUM names another program than the one on the path.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function program() {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const paths = (process.env.PATH ?? '').split(delimiter);
  const found = paths.flatMap((path) => names.map((name) => join(path, name))).find((file) => existsSync(file));
  if (process.env.CHROMIUM ?? found) return process.env.CHROMIUM ?? found;
  throw new Error('no Chromium: tools/setup check installs it');
}

// One browser; `page()` gives a page of a fresh profile that keeps what it had to complain about.
export async function startBrowser({ args = [] } = {}) {
  const browser = await chromium.launch({
    executablePath: program(),
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', ...args], // tests may run as root, and in small containers
  });
  return {
    async page(options) {
      const context = await browser.newContext(options);
      const page = await context.newPage();
      page.complaints = [];
      page.on('console', (message) => { if (message.type() === 'error') page.complaints.push(message.text()); });
      page.on('pageerror', (error) => page.complaints.push(String(error)));
      return page;
    },
    stop: () => browser.close(),
  };
}

// --- the card fields in a page, and the bank's page over it ---

export const frameOf = (page, kind) => page.frameLocator(`iframe[src*="/fields/${kind}"]`);
export const inputOf = (page, kind) => frameOf(page, kind).locator('#field');
export const bankOf = (page) => page.frameLocator('dialog iframe');

export async function typeCard(page, number, { expiry = '1234', cvc = '123' } = {}) {
  await inputOf(page, 'number').pressSequentially(number);
  await inputOf(page, 'expiry').pressSequentially(expiry);
  await inputOf(page, 'cvc').pressSequentially(cvc);
  for (const [kind, typed] of Object.entries({ number, expiry, cvc }))
    assert.equal((await inputOf(page, kind).inputValue()).replace(/\D/g, ''), typed.replace(/\D/g, ''), `${kind} shows what was typed`);
}

// Waits for the bank's page over a page; where it does not come, the error says what stands there instead.
export async function bankAsks(page, name = 'approve') {
  try {
    await bankOf(page).getByRole('button', { name, exact: true }).waitFor();
  } catch (error) {
    throw new Error(`${error.message}\n${await page.locator('body').innerText()}\n${page.frames().map((frame) => frame.url()).join('\n')}\n${page.complaints?.join('\n')}`);
  }
}

const AXE = readFileSync(join(dirname(fileURLToPath(import.meta.url)), '../node_modules/axe-core/axe.min.js'), 'utf8');
// What is behind an element: the colour that shows through it.
const behind = (handle) => handle.evaluate((element) => {
  for (let one = element; one; one = one.parentElement) {
    const { backgroundColor } = getComputedStyle(one);
    if (!/^rgba\(.*, 0\)$|^transparent$/.test(backgroundColor)) return backgroundColor;
  }
  return null;
});

async function findingsOf(frame, colour) {
  if (!(await frame.evaluate(() => 'axe' in window))) await frame.evaluate(AXE);
  const { violations } = await frame.evaluate(async (under) => {
    const { style } = document.documentElement, before = style.backgroundColor;
    if (under && getComputedStyle(document.documentElement).backgroundColor === 'rgba(0, 0, 0, 0)') style.backgroundColor = under;
    try { return await axe.run(document, { resultTypes: ['violations'], iframes: false }); } finally { style.backgroundColor = before; }
  }, colour);
  return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map((one) => `${new URL(frame.url()).pathname} ${one.id}: ${one.nodes.map((node) => node.target.join(' > ')).join(', ')}`);
}

// Serious findings of axe in the page and in each of its frames, as lines. One frame at a time: axe itself passes over frames of
// another origin, and does not know what is behind them. Those that are in the document: page.frames() also has some that were taken
// away while they were loaded.
export async function accessibilityFindings(page) {
  const lines = await findingsOf(page.mainFrame(), null);
  for (const handle of await page.locator('iframe').elementHandles()) {
    const frame = await handle.contentFrame();
    if (/^https?:/.test(frame?.url() ?? '')) lines.push(...await findingsOf(frame, await behind(handle)));
  }
  return lines;
}
