// Pictures of the pages for the documents. Usage: node tests/web/screenshots.mjs (after a build); writes docs/images/*.png.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CARDS, ROOT, inputOf, startWorld, typeCard } from './support.mjs';

const OUT = join(ROOT, 'docs/images');
mkdirSync(OUT, { recursive: true });
const world = await startWorld();
const DESKTOP = { viewport: { width: 960, height: 640 } }, PHONE = { viewport: { width: 390, height: 844 } };

async function shot(name, page, options = {}) {
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(OUT, `${name}.png`), caret: 'hide', ...options });
  await page.context().close();
}

async function open(context, checkout = {}) {
  const page = await world.browser.page(context);
  await page.goto(world.pub.addCheckout({ return_url: 'https://shop.example/', ...checkout }).url);
  if (!checkout.status) await inputOf(page, 'cvc').waitFor();
  return page;
}

async function filled(context, card = CARDS.approved, more = {}, checkout = {}) {
  const page = await open(context, checkout);
  await typeCard(page, card, more);
  await page.getByLabel(/Name|Имя/).fill('Ada Lovelace');
  return page;
}

await shot('checkout-light', await filled({ ...DESKTOP, colorScheme: 'light' }));
await shot('checkout-dark', await filled({ ...DESKTOP, colorScheme: 'dark' }));
await shot('checkout-mobile', await filled(PHONE, CARDS.mastercard));
await shot('checkout-mobile-dark-ru', await filled({ ...PHONE, colorScheme: 'dark', locale: 'ru-RU' }, CARDS.amex, { cvc: '1234' }));

const wrong = await filled({ ...DESKTOP, colorScheme: 'light', locale: 'de-DE' }, '4242424242424241', { expiry: '0121', cvc: '1' });
await shot('checkout-errors', wrong);

const challenged = await filled({ ...DESKTOP, colorScheme: 'light' }, CARDS.challenge);
await challenged.locator('button.pay').click();
await challenged.frameLocator('dialog iframe').getByRole('button', { name: 'approve' }).waitFor();
await shot('checkout-three-d-secure', challenged);

const paid = await filled({ ...DESKTOP, colorScheme: 'light' });
await paid.locator('button.pay').click();
await paid.getByRole('heading', { name: 'Thank you' }).waitFor();
await shot('checkout-paid', paid);

for (const colorScheme of ['light', 'dark']) {
  const page = await world.browser.page({ ...DESKTOP, colorScheme });
  await page.goto((await world.demo()).url);
  await typeCard(page, CARDS.approved);
  await shot(`fields-${colorScheme}`, page);
}
const phone = await world.browser.page(PHONE);
await phone.goto((await world.demo()).url);
await typeCard(phone, CARDS.amex, { cvc: '1234' });
await shot('fields-mobile', phone);
await world.stop();
