// The hosted checkout page in a real Chromium, against the whole of Florin: every way that a customer may go on it.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { accessibilityFindings, bankOf } from '../lib/browser.mjs';
import { CARDS, answer, inputOf, startBrowserWorld } from './browser_world.mjs';
import { assertOk, data, read, start, verifyLedger, waitFor } from './support.mjs';

const ITEMS = [{ name: 'Teapot, cast iron', amount: 5800 }, { name: 'Fern in a pot', quantity: 2, amount: 1600 }, { name: 'Shipping', amount: 232 }];
const TOTAL = 9232;
let world, florin, shop;
before(async () => {
  world = await startBrowserWorld();
  florin = world.florin;
  shop = await world.shop(); // where customers go back to
});
afterEach(() => world.closePages());
after(() => world?.stop());

const make = async (more) => assertOk(await florin.post('/v1/checkouts', { amount: TOTAL, currency: 'EUR', items: ITEMS, description: 'Order 1042', return_url: `${shop.url}/shop`, ...more }));
const again = (checkout) => read(florin, `/v1/checkouts/${checkout.id}`);
const paymentsOf = async (checkout) => (await data(florin, '/v1/payments?limit=100')).filter((one) => one.checkout === checkout.id);
const payButton = (page) => page.locator('button.pay');
const title = (page, name) => page.getByRole('heading', { level: 1, name }).waitFor();
const said = (page, text) => page.getByRole('alert').filter({ hasText: text }).waitFor();
const bank = (page) => bankOf(page).getByRole('button', { name: 'Approve' }).waitFor();
const accessible = async (page, where) => assert.deepEqual(await accessibilityFindings(page), [], where);

async function visit(checkout, context) {
  const page = await world.page(context);
  await page.goto(checkout.url);
  await page.locator('main:not([aria-busy])').waitFor();
  return page;
}

// A checkout, its page, the card typed, the button pressed.
async function begin(card, { more, context } = {}) {
  const checkout = await make(more), page = await visit(checkout, context);
  await world.typeCard(page, card);
  await payButton(page).click();
  return { checkout, page };
}

async function complete(checkout, page) {
  const now = await again(checkout);
  assert.equal(now.status, 'complete');
  const payment = await read(florin, `/v1/payments/${now.payment}`);
  await world.assertPaid(payment, TOTAL);
  await world.assertClean(page);
  return payment;
}

test('seen, paid, and paid already; for a customer and an order', async () => {
  const customer = assertOk(await florin.post('/v1/customers', { email: 'ada@example.com' }));
  const order = assertOk(await florin.post('/v1/orders', { amount: TOTAL, currency: 'EUR' }));
  const checkout = await make({ customer: customer.id, order: order.id, save_payment_method: true }), page = await visit(checkout);
  const text = (await page.locator('main').innerText()).replace(/\u00a0/g, ' ');
  for (const part of ['€92.32', 'Teapot, cast iron', '€58.00', '× 2', '€32.00', 'Order 1042', 'Test mode']) assert.ok(text.includes(part), part);
  await world.typeCard(page, CARDS.approved);
  await accessible(page, 'the form');
  await page.getByLabel('Name on the card').fill('Ada Lovelace');
  await payButton(page).click();
  await title(page, 'Thank you');
  await accessible(page, 'paid');
  const payment = await complete(checkout, page);
  assert.deepEqual([payment.customer, payment.order, payment.description, payment.card.last_four], [customer.id, order.id, 'Order 1042', '4242']);
  assert.equal((await data(florin, `/v1/payment_methods?customer=${customer.id}`))[0].status, 'attached');
  await page.reload();
  await title(page, 'Already paid');
  assert.equal(await page.locator('iframe').count(), 0);
  await accessible(page, 'already paid');
  await page.getByRole('link', { name: /^Back to/ }).click();
  await page.waitForURL((url) => url.origin === shop.url);
  assert.deepEqual(Object.fromEntries(new URL(page.url()).searchParams), { checkout: checkout.id, payment: payment.id, status: 'captured' });
});

test('3-D Secure: approved', async () => {
  const { checkout, page } = await begin(CARDS.challenge);
  await bank(page);
  await accessible(page, 'the bank\'s page over it');
  await answer(page, 'Approve');
  await title(page, 'Thank you');
  await complete(checkout, page);
});

for (const [button, words, decline] of [['Fail', 'did not confirm', 'authentication_failed'], ['Cancel', 'did not confirm', 'authentication_canceled'], ['Let it expire now', 'The time to confirm', 'authentication_expired']]) {
  test(`3-D Secure: ${button}; then another card`, async () => {
    const { checkout, page } = await begin(CARDS.challenge);
    await answer(page, button);
    await said(page, words);
    await world.assertUnpaid((await paymentsOf(checkout))[0], decline);
    assert.equal((await again(checkout)).status, 'open');
    await page.reload();
    await said(page, words); // also who comes back later is told
    await world.typeCard(page, CARDS.approved);
    await payButton(page).click();
    await title(page, 'Thank you');
    await complete(checkout, page);
  });
}

test('3-D Secure: left; who comes back goes on with the same payment', async () => {
  const { checkout, page } = await begin(CARDS.challenge);
  await bank(page);
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Leave' }).click();
  await title(page, 'Confirm the payment');
  await accessible(page, 'to be confirmed');
  assert.equal((await again(checkout)).status, 'processing');
  await page.getByRole('button', { name: 'Confirm now' }).click();
  await answer(page, 'Approve');
  await title(page, 'Thank you');
  await complete(checkout, page);
  assert.equal((await paymentsOf(checkout)).length, 1);
});

for (const [button, then] of [['Approve', 'Thank you'], ['Fail', /^Pay /]]) {
  test(`3-D Secure: the page is loaded again meanwhile; ${button}`, async () => {
    const { checkout, page } = await begin(CARDS.challenge);
    await bank(page);
    await page.reload();
    await title(page, 'Confirm the payment');
    await page.getByRole('button', { name: 'Confirm now' }).click();
    await answer(page, button);
    await title(page, then);
    assert.equal((await paymentsOf(checkout)).length, 1);
    if (button === 'Approve') await complete(checkout, page);
    else await said(page, 'did not confirm');
  });
}

test('3-D Secure: the bank\'s page in a window of its own leads back to the checkout', async () => {
  const { checkout, page } = await begin(CARDS.challenge);
  await bank(page);
  const [payment] = await paymentsOf(checkout), other = await world.page();
  await other.goto(payment.next_action.url);
  await other.getByRole('button', { name: 'Approve' }).click();
  await title(other, 'Thank you');
  assert.ok(other.url().startsWith(checkout.url), other.url());
  await title(page, 'Thank you'); // it looks by itself
  await complete(checkout, page);
});

for (const [locale, declined, thanks] of [['de', 'Die Karte ist nicht ausreichend gedeckt.', 'Vielen Dank'], ['ru', 'На карте недостаточно средств.', 'Спасибо']]) {
  test(`declined, then paid: in ${locale}, as the shop said`, async () => {
    const { checkout, page } = await begin(CARDS.insufficient, { more: { locale } });
    await said(page, declined);
    await accessible(page, 'declined');
    assert.equal(await page.evaluate(() => document.documentElement.lang), locale);
    assert.equal((await page.locator('.sum').innerText()).replace(/\u00a0/g, ' '), '92,32 €');
    await world.assertUnpaid((await paymentsOf(checkout))[0], 'insufficient_funds');
    await world.typeCard(page, CARDS.approved);
    await payButton(page).click();
    await title(page, thanks);
    await complete(checkout, page);
    assert.equal((await paymentsOf(checkout)).length, 2);
  });
}

test('the issuer declines after the bank approved', async () => {
  const { checkout, page } = await begin(CARDS.challengeDeclined);
  await answer(page, 'Approve');
  await said(page, 'not have enough funds');
  await world.assertUnpaid((await paymentsOf(checkout))[0], 'insufficient_funds');
});

test('expired: before it is opened, and while it is', async () => {
  const checkout = await make(), open = await visit(checkout);
  await world.typeCard(open, CARDS.approved);
  assertOk(await florin.post(`/v1/checkouts/${checkout.id}/expire`, {}));
  const late = await visit(checkout);
  await title(late, 'This payment link has expired');
  assert.equal(await late.locator('iframe').count(), 0);
  await accessible(late, 'expired');
  await payButton(open).click();
  await title(open, 'This payment link has expired');
  assert.deepEqual(await paymentsOf(checkout), []);
});

test('two tabs: at most one pays', async () => {
  const checkout = await make(), tabs = [await visit(checkout), await visit(checkout)];
  for (const page of tabs) await world.typeCard(page, CARDS.approved);
  await Promise.all(tabs.map((page) => payButton(page).click()));
  for (const page of tabs) await page.getByRole('heading', { name: /Thank you|Already paid/ }).waitFor();
  assert.deepEqual((await paymentsOf(checkout)).filter((one) => one.status !== 'failed').map((one) => one.status), ['captured']);
  await complete(checkout, await visit(checkout));
});

test('two tabs: the second finds the first at its bank, and can finish it', async () => {
  const { checkout, page } = await begin(CARDS.challenge);
  await bank(page);
  const second = await visit(checkout);
  await title(second, 'Confirm the payment');
  await second.getByRole('button', { name: 'Confirm now' }).click();
  await answer(second, 'Approve');
  for (const one of [second, page]) await title(one, 'Thank you');
  await complete(checkout, second);
});

test('a double click, and Enter in a field, pay once', async () => {
  const checkout = await make(), page = await visit(checkout);
  await world.typeCard(page, CARDS.approved);
  await inputOf(page, 'cvc').press('Enter');
  await payButton(page).dblclick({ timeout: 500 }).catch(() => undefined); // it may be paid already
  await title(page, 'Thank you');
  assert.equal((await paymentsOf(checkout)).length, 1);
  await complete(checkout, page);
});

test('the answer is lost on the way: the page finds out', async () => {
  const checkout = await make(), page = await visit(checkout);
  await world.typeCard(page, CARDS.approved);
  await page.route('**/client/**', async (route) => {
    if (route.request().method() === 'POST') await route.fetch();
    await route.abort();
  });
  await payButton(page).click();
  await waitFor(async () => (await again(checkout)).status === 'complete');
  await page.reload();
  await title(page, 'Already paid');
  assert.equal((await paymentsOf(checkout)).length, 1);
});

test('back from the shop: it is still paid', async () => {
  const { checkout, page } = await begin(CARDS.approved);
  await title(page, 'Thank you');
  await page.getByRole('link', { name: /^Back to/ }).click();
  await page.waitForURL((url) => url.origin === shop.url);
  await page.goBack();
  await page.getByRole('heading', { name: /Thank you|Already paid/ }).waitFor();
  assert.equal((await paymentsOf(checkout)).length, 1);
});

test('on a phone in the dark', async () => {
  const { checkout, page } = await begin(CARDS.challenge, { context: { viewport: { width: 320, height: 640 }, colorScheme: 'dark', locale: 'pt-BR' } });
  const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
  await bank(page);
  assert.ok(await fits(), 'nothing sticks out');
  await accessible(page, 'the bank\'s page');
  await answer(page, 'Approve');
  await title(page, 'Obrigado');
  assert.ok(await fits(), 'nothing sticks out');
  await accessible(page, 'paid');
  await complete(checkout, page);
});

test('confirm_on_return off: the page waits for the shop\'s server', async () => {
  const other = await start({ settings: { 'confirm-on-return': false } });
  world.cards.add(other.card);
  const checkout = assertOk(await other.post('/v1/checkouts', { amount: TOTAL, currency: 'EUR' })), page = await visit(checkout);
  await world.typeCard(page, CARDS.challenge);
  await payButton(page).click();
  await answer(page, 'Approve');
  await title(page, 'Confirm the payment');
  const { payment } = await read(other, `/v1/checkouts/${checkout.id}`);
  assert.equal((await read(other, `/v1/payments/${payment}`)).status, 'requires_action');
  assert.equal(assertOk(await other.post(`/v1/payments/${payment}/confirm`, {})).status, 'captured');
  await title(page, 'Thank you');
  await page.goto('about:blank'); // it asks no more
  await verifyLedger(other);
  await other.stop();
});
