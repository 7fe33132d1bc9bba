// The hosted checkout page in a real Chromium, as the C room `web` sends it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CARDS, accessibilityFindings, bankAsks, inputOf, startWorld, typeCard } from './support.mjs';

let world;
before(async () => { world = await startWorld(); });
after(() => world?.stop());

async function open(checkout = {}, context = {}) {
  const { url, row } = world.pub.addCheckout(checkout);
  const page = await world.browser.page(context);
  page.row = row;
  await page.goto(url);
  await page.locator('main:not([aria-busy])').waitFor();
  return page;
}
const ready = (page) => inputOf(page, 'cvc').waitFor();
const payButton = (page) => page.locator('button.pay');
const bank = (page) => page.frameLocator('dialog iframe');
const title = (page) => page.getByRole('heading', { level: 1 });

test('what is paid for, and paying it', async () => {
  const page = await open({ return_url: 'https://shop.example/done' });
  await ready(page);
  const text = (await page.locator('main').innerText()).replace(/\u00a0/g, ' ');
  for (const part of ['Fern & Kettle', '€92.32', 'Teapot, cast iron', '€58.00', '× 2', '€32.00', 'Order 1042', 'Test mode']) assert.ok(text.includes(part), part);
  assert.equal(await payButton(page).innerText(), 'Pay €92.32');
  assert.deepEqual(await accessibilityFindings(page), []);
  await typeCard(page, CARDS.approved);
  await page.getByLabel('Name on the card').fill('Ada Lovelace');
  await payButton(page).click();
  await page.getByRole('heading', { name: 'Thank you' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1', 'the focus goes to the news');
  assert.match(await page.getByRole('link', { name: 'Back to Fern & Kettle' }).getAttribute('href'), /^https:\/\/shop\.example\/done\?checkout=chk_\w+&payment=pay_\w+&status=captured$/);
  assert.deepEqual(await accessibilityFindings(page), []);
  assert.deepEqual(page.complaints, []);
  await page.reload();
  await page.getByRole('heading', { name: 'Already paid' }).waitFor();
});

test('declined: it says why, and another card works', async () => {
  const page = await open();
  await ready(page);
  await typeCard(page, CARDS.insufficient);
  await payButton(page).click();
  await page.getByRole('alert').filter({ hasText: 'does not have enough funds' }).waitFor();
  assert.equal(await inputOf(page, 'cvc').inputValue(), '', 'the code is asked for again');
  assert.deepEqual(await accessibilityFindings(page), []);
  await inputOf(page, 'number').fill(CARDS.approved);
  await inputOf(page, 'cvc').fill('123');
  await payButton(page).click();
  await page.getByRole('heading', { name: 'Thank you' }).waitFor();
});

test('declined before the page was loaded', async () => {
  const page = await open({ payment: { id: 'pay_1', status: 'failed', decline_code: 'expired_card', amount: 1, currency: 'EUR' } });
  await page.getByRole('alert').filter({ hasText: 'The card has expired.' }).waitFor();
});

test('what is missing is said, field by field', async () => {
  const page = await open();
  await ready(page);
  await payButton(page).click();
  await page.getByText('Enter the card number.').waitFor();
  await page.getByText('Enter the expiry date.').waitFor();
  await page.getByText('Enter the security code.').waitFor();
  assert.equal(world.pub.payments.size >= 0 && page.row.payment, undefined);
  assert.deepEqual(await accessibilityFindings(page), []);
});

test('3-D Secure over the page; a customer who left comes back', async () => {
  const page = await open();
  await ready(page);
  await typeCard(page, CARDS.challenge);
  await payButton(page).click();
  await bankAsks(page);
  assert.deepEqual(await accessibilityFindings(page), []);
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Leave' }).click();
  await page.getByRole('heading', { name: 'Confirm the payment' }).waitFor();
  assert.deepEqual(await accessibilityFindings(page), []);
  await page.reload();
  await page.getByRole('button', { name: 'Confirm now' }).click();
  await bank(page).getByRole('button', { name: 'approve' }).click();
  await page.getByRole('heading', { name: 'Thank you' }).waitFor();
  assert.deepEqual(page.complaints, []);
});

test('processing: it looks again by itself', async () => {
  const page = await open({ status: 'processing', payment: { id: 'pay_2', status: 'processing', amount: 1, currency: 'EUR' } });
  assert.equal(await title(page).innerText(), 'The payment is being processed');
  assert.deepEqual(await accessibilityFindings(page), []);
  page.row.payment.status = 'captured';
  await page.getByRole('heading', { name: 'Thank you' }).waitFor();
});

test('expired', async () => {
  const page = await open({ status: 'expired' });
  assert.equal(await title(page).innerText(), 'This payment link has expired');
  assert.equal(await page.locator('iframe').count(), 0);
  assert.deepEqual(await accessibilityFindings(page), []);
});

for (const [locale, words, amount] of [['de', 'Zahlung an Fern & Kettle', '92,32 €'], ['ru', 'Оплата: Fern & Kettle', '92,32 €'], ['es', 'Pago a Fern & Kettle', '92,32 €'], ['pt-PT', 'Pagamento a Fern & Kettle', '92,32 €'], ['pt-BR', 'Pagamento a Fern & Kettle', '€ 92,32']]) {
  test(`in ${locale}: by the browser, or by what the shop said`, async () => {
    for (const page of [await open({}, { locale }), await open({ locale }, { locale: 'en-US' })]) {
      assert.equal(await title(page).innerText(), words);
      assert.equal(await page.evaluate(() => document.documentElement.lang), locale.slice(0, 2));
      assert.equal((await page.locator('.sum').innerText()).replace(/\u00a0/g, ' ').replace('EUR', '€'), amount);
      await page.context().close();
    }
  });
}

for (const [name, context] of [['a phone of 320 pixels', { viewport: { width: 320, height: 640 } }], ['200% zoom', { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 }], ['dark', { colorScheme: 'dark' }], ['reduced motion', { reducedMotion: 'reduce' }]]) {
  test(`nothing sticks out and all can be read: ${name}`, async () => {
    const page = await open({ description: 'A description that goes on and on without an end, or a_word_of_uncommon_length_that_will_not_break_by_itself' }, { ...context, locale: 'de' });
    await ready(page);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth));
    await typeCard(page, '4242424242424241', { expiry: '0121', cvc: '1' });
    await page.keyboard.press('Tab');
    assert.deepEqual(await accessibilityFindings(page), []);
    const box = await page.locator('.number .box').evaluate((one) => getComputedStyle(one).backgroundColor);
    const frame = await page.frames().find((one) => one.url().includes('/fields/number')).evaluate(() => [getComputedStyle(document.querySelector('#field')).color, getComputedStyle(document.documentElement).colorScheme]);
    assert.ok(box && frame[0]);
    assert.equal(frame[1], 'light dark');
  });
}

test('a checkout without a name of the merchant, and one that cannot be read', async () => {
  const page = await open({ merchant_name: null, return_url: 'https://shop.example/', status: 'expired' });
  assert.equal(await page.getByRole('link').innerText(), 'Back to the shop');
  const broken = await open({ broken: true });
  assert.match(await broken.getByRole('alert').innerText(), /could not be loaded/);
  assert.deepEqual(await accessibilityFindings(broken), []);
  broken.row.broken = false;
  await broken.getByRole('button').click();
  await broken.getByRole('heading', { name: 'Pay Fern & Kettle' }).waitFor();
});

test('text of the merchant stays text', async () => {
  const evil = '</script><img src=x onerror=alert(1)>{{nonce}}';
  const page = await open({ merchant_name: evil, description: evil, items: [{ name: evil, quantity: 1, amount: 9232 }], embed: true });
  assert.equal(await page.locator('.merchant').innerText(), evil);
  assert.equal(await page.locator('main img').count(), 0);
  assert.deepEqual(page.complaints, []);
});

test('printed: what was paid, without buttons', async () => {
  const page = await open({ status: 'complete', payment: { id: 'pay_3', status: 'captured', amount: 9232, currency: 'EUR' }, return_url: 'https://shop.example/' });
  await page.emulateMedia({ media: 'print' });
  assert.ok(await page.locator('.sum').isVisible());
  assert.ok(!await page.locator('a.button').isVisible());
});
