// Pictures of the pages for the documents, from the whole of Florin. Usage: node tests/web/screenshots.mjs (after a build); writes
// docs/images/*.png.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { bankOf, inputOf, startBrowser, typeCard } from '../lib/browser.mjs';
import { ROOT, asArgs, startFlorin } from '../lib/florin.mjs';
import { runProcess } from '../lib/process.mjs';
import { startShop } from '../../web/demo/shop.mjs';
import { CARDS } from './support.mjs';

const OUT = join(ROOT, 'docs/images');
mkdirSync(OUT, { recursive: true });
const florin = await startFlorin({ args: asArgs({ 'log-level': 'warn' }) }), browser = await startBrowser();
const DESKTOP = { viewport: { width: 960, height: 640 } }, PHONE = { viewport: { width: 390, height: 844 } };
const ITEMS = [{ name: 'Teapot, cast iron', amount: 5800 }, { name: 'Fern in a pot', quantity: 2, amount: 1600 }, { name: 'Shipping', amount: 232 }];

// The checkout's merchant has a name of its own.
const made = await runProcess(join(ROOT, 'build/florin'), ['keys', 'create', ...florin.place, '--json', '--new-merchant', 'Fern & Kettle']);
const key = JSON.parse(made.stdout).key;
const post = async (path, body) => {
  const answer = await florin.post(path, body, { key });
  if (answer.status !== 200) throw new Error(`${path}: ${answer.text}`);
  return answer.json;
};
const account = await post('/v1/provider_accounts', { connector: 'sandbox', credentials: { base_url: florin.sandbox, api_key: 'sandbox' } });
const signed = await runProcess(join(ROOT, 'build/florin'), ['permit', 'sign', ...florin.place, '--account', account.id, '--host', florin.sandbox]);
if (signed.code !== 0) throw new Error(signed.stderr);

async function shot(name, page) {
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(OUT, `${name}.png`), caret: 'hide' });
  await page.context().close();
}

async function filled(context, card = CARDS.approved, more = {}) {
  const page = await browser.page({ colorScheme: 'light', ...context });
  await page.goto((await post('/v1/checkouts', { amount: 9232, currency: 'EUR', items: ITEMS, description: 'Order 1042', return_url: 'https://shop.example/' })).url);
  await inputOf(page, 'cvc').waitFor();
  await typeCard(page, card, more);
  await page.getByLabel(/Name|Имя/).fill('Ada Lovelace');
  return page;
}

await shot('checkout-light', await filled(DESKTOP));
await shot('checkout-dark', await filled({ ...DESKTOP, colorScheme: 'dark' }));
await shot('checkout-mobile', await filled(PHONE, CARDS.mastercard));
await shot('checkout-mobile-dark-ru', await filled({ ...PHONE, colorScheme: 'dark', locale: 'ru-RU' }, CARDS.amex, { cvc: '1234' }));
await shot('checkout-errors', await filled({ ...DESKTOP, locale: 'de-DE' }, '4242424242424241', { expiry: '0121', cvc: '1' }));

const challenged = await filled({ viewport: { width: 960, height: 720 } }, CARDS.challenge);
await challenged.locator('button.pay').click();
await bankOf(challenged).getByRole('button', { name: 'Approve' }).waitFor();
await shot('checkout-three-d-secure', challenged);

const paid = await filled(DESKTOP);
await paid.locator('button.pay').click();
await paid.getByRole('heading', { name: 'Thank you' }).waitFor();
await shot('checkout-paid', paid);

const shop = await startShop({ key, api: florin.api, card: florin.card });
async function inShop(context, card, more) {
  const page = await browser.page({ colorScheme: 'light', ...context });
  await page.goto(shop.url);
  await typeCard(page, card, more);
  await page.getByLabel('Name on the card').fill('Ada Lovelace');
  return page;
}
await shot('fields-light', await inShop(DESKTOP, CARDS.approved));
await shot('fields-dark', await inShop({ ...DESKTOP, colorScheme: 'dark' }, CARDS.approved));
await shot('fields-mobile', await inShop(PHONE, CARDS.amex, { cvc: '1234' }));
await shop.stop();
await browser.stop();
await florin.stop();
