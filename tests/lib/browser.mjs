// A real Chromium: what a customer's browser does. CHROMIUM names another program than the one on the path.
import { chromium } from 'playwright-core';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

function program() {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const paths = (process.env.PATH ?? '').split(delimiter);
  const found = paths.flatMap((path) => names.map((name) => join(path, name))).find((file) => existsSync(file));
  if (process.env.CHROMIUM ?? found) return process.env.CHROMIUM ?? found;
  throw new Error('no Chromium: tools/setup check installs it');
}

// One browser; `page()` gives a page of a fresh profile that keeps what it had to complain about.
export async function startBrowser() {
  const browser = await chromium.launch({
    executablePath: program(),
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'], // tests may run as root, and in small containers
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
