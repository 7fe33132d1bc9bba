// The card fields in the demo shop, in a real Chromium, against the whole of Florin: what customers do, and that nobody but the card role
// and the vault gets the number.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { accessibilityFindings, bankOf } from '../lib/browser.mjs';
import { findNumbers } from '../lib/cards.mjs';
import { CARDS, answer, inputOf, startBrowserWorld } from './browser_world.mjs';
import { assertOk, data, readPayment, waitFor } from './support.mjs';

const TOTAL = 9232;
let world, shop, florin;
before(async () => {
  world = await startBrowserWorld();
  florin = world.florin;
  shop = await world.shop();
});
afterEach(() => world.closePages());
after(() => world?.stop());

async function open(card, { query = '', redirect = false, ...context } = {}) {
  const page = await world.page(context);
  await page.goto(`${shop.url}/${query}`);
  await world.typeCard(page, card);
  if (redirect) await page.getByLabel(/own page/).check();
  return page;
}
const payButton = (page) => page.locator('#pay');
const thanks = (page) => page.getByText(/Thank you\. Payment pay_\w+ is captured\./).waitFor();
const said = (page, text) => page.getByRole('alert').filter({ hasText: text }).waitFor();
const payments = () => data(florin, '/v1/payments?limit=100');

test('typed, paid, told; nobody sees the number', async () => {
  const page = await open(CARDS.approved);
  await payButton(page).click();
  await thanks(page);
  const payment = await world.paymentOf(page);
  assert.deepEqual([payment.amount, payment.currency, payment.status, payment.card.brand, payment.card.last_four], [TOTAL, 'EUR', 'captured', 'visa', '4242']);
  await world.assertPaid(payment, TOTAL);
  await world.assertClean(page);
  assert.ok(findNumbers(Buffer.from(`${page.seen.join()} 4242 4242 4242 4242`), world.typed).length > 0, 'one that was there would be found');
});

test('3-D Secure in a frame: approved', async () => {
  const page = await open(CARDS.challenge);
  await payButton(page).click();
  assert.match(await bankOf(page).getByRole('main').innerText(), /92\.32 EUR[\s\S]*3184/);
  await answer(page, 'Approve');
  await thanks(page);
  await world.assertPaid(await world.paymentOf(page), TOTAL);
  await world.assertClean(page);
});

for (const [button, words, decline] of [['Fail', 'Your bank did not confirm the payment', 'authentication_failed'], ['Cancel', 'Your bank did not confirm the payment', 'authentication_canceled'],
  ['Let it expire now', 'The time to confirm the payment is over', 'authentication_expired']]) {
  test(`3-D Secure in a frame: ${button}; then another card`, async () => {
    const page = await open(CARDS.challenge);
    await payButton(page).click();
    await answer(page, button);
    await said(page, words);
    const [lost] = await payments();
    await world.assertUnpaid(lost, decline);
    await world.typeCard(page, CARDS.mastercard);
    await payButton(page).click();
    await thanks(page);
    const paid = await world.paymentOf(page);
    assert.notEqual(paid.id, lost.id);
    await world.assertPaid(paid, TOTAL);
    await world.assertClean(page);
  });
}

test('3-D Secure in a frame: the bank approves, the issuer declines', async () => {
  const page = await open(CARDS.challengeDeclined);
  await payButton(page).click();
  await answer(page, 'Approve');
  await said(page, 'not have enough funds');
  await world.assertUnpaid((await payments())[0], 'insufficient_funds');
});

test('3-D Secure in a frame: closed; it is said, and paying again works', async () => {
  const page = await open(CARDS.challenge);
  await payButton(page).click();
  await bankOf(page).getByRole('button', { name: 'Approve' }).waitFor();
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Leave' }).click();
  await said(page, 'has not been confirmed');
  const [left] = await payments();
  assert.equal(left.status, 'requires_action');
  await payButton(page).click();
  await answer(page, 'Approve');
  await thanks(page);
  await world.assertPaid(await world.paymentOf(page), TOTAL);
  assert.equal((await readPayment(florin, left.id)).amount_captured, 0);
});

test('3-D Secure by redirect: approved, and told once', async () => {
  const page = await open(CARDS.challenge, { redirect: true });
  await payButton(page).click();
  await page.waitForURL(`${florin.sandbox}/challenge/**`);
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.waitForURL(`${shop.url}/**`);
  await thanks(page);
  await world.assertPaid(await world.paymentOf(page), TOTAL);
  await world.assertClean(page);
  await page.reload();
  assert.ok(await payButton(page).isVisible());
});

test('3-D Secure by redirect: failed, in Russian', async () => {
  const page = await open(CARDS.challenge, { redirect: true, query: '?locale=ru', locale: 'ru-RU' });
  await payButton(page).click();
  await page.getByRole('button', { name: 'Fail' }).click();
  await page.waitForURL(`${shop.url}/**`);
  await said(page, /bank|банк/i);
  await world.assertUnpaid((await payments())[0], 'authentication_failed');
});

test('3-D Secure by redirect: the back button at the bank; it goes on in the page', async () => {
  const page = await open(CARDS.challenge, { redirect: true });
  await payButton(page).click();
  await page.waitForURL(`${florin.sandbox}/challenge/**`);
  await page.goto(`${shop.url}/`); // as a browser does that did not keep the page
  await answer(page, 'Approve');
  await thanks(page);
  await world.assertPaid(await world.paymentOf(page), TOTAL);
});

test('declined: in the page\'s language; again works with a new client token', async () => {
  const page = await open(CARDS.insufficient, { query: '?locale=de' });
  await payButton(page).click();
  await said(page, 'Die Karte ist nicht ausreichend gedeckt.');
  await world.assertUnpaid((await payments())[0], 'insufficient_funds');
  await world.typeCard(page, CARDS.approved);
  await payButton(page).click();
  await thanks(page);
  await world.assertPaid(await world.paymentOf(page), TOTAL);
  assert.equal(page.seen.filter((one) => one === `${shop.url}/shop/token`).length, 2);
  await world.assertClean(page);
});

test('a saved card: the merchant pays with it when the customer is away', async () => {
  const customer = assertOk(await florin.post('/v1/customers', { email: 'ada@example.com' }));
  const own = await world.shop({ customer: customer.id, save_payment_method: true });
  const page = await world.page();
  await page.goto(own.url);
  await world.typeCard(page, CARDS.mastercard);
  await payButton(page).click();
  await thanks(page);
  const [saved] = await data(florin, `/v1/payment_methods?customer=${customer.id}`);
  assert.deepEqual([saved.status, saved.card.brand, saved.card.last_four], ['attached', 'mastercard', '4444']);
  const later = assertOk(await florin.post('/v1/payments', { amount: 700, currency: 'EUR', payment_method: saved.id, off_session: true }));
  assert.equal(later.status, 'captured');
  await world.assertPaid(later, 700);
});

test('a double click pays once', async () => {
  const page = await open(CARDS.approved), before = (await payments()).length;
  await payButton(page).dblclick();
  await thanks(page);
  assert.equal((await payments()).length, before + 1);
  await world.assertPaid(await world.paymentOf(page), TOTAL);
});

test('loaded again while it is paid: an order is not paid twice', async () => {
  const order = assertOk(await florin.post('/v1/orders', { amount: TOTAL, currency: 'EUR' }));
  const own = await world.shop({ order: order.id });
  const page = await world.page();
  await page.goto(own.url);
  await world.typeCard(page, CARDS.approved);
  let reached;
  await page.route('**/client/confirm', async (route) => { // it gets there, the answer does not come back
    if (route.request().method() !== 'POST') return route.continue();
    await route.fetch();
    reached = true;
    return undefined;
  });
  await payButton(page).click();
  await waitFor(() => reached);
  await page.unroute('**/client/confirm');
  await page.reload();
  await world.typeCard(page, CARDS.approved);
  await payButton(page).click();
  await said(page, /\S/);
  assert.deepEqual((await data(florin, `/v1/payments?order=${order.id}`)).map((one) => one.status), ['captured']);
});

test('the back button after it was paid pays nothing', async () => {
  const page = await open(CARDS.approved);
  await payButton(page).click();
  await thanks(page);
  const n = (await payments()).length;
  await page.goto(`${florin.sandbox}/control`);
  await page.goBack();
  await page.waitForURL(`${shop.url}/**`);
  assert.equal((await payments()).length, n);
  assert.equal(await page.locator('iframe').count(), 3, 'another card can be typed');
});

for (const [name, context] of [['a phone in the dark', { viewport: { width: 375, height: 667 }, colorScheme: 'dark' }], ['a desk', {}]]) {
  test(`accessible while it is paid: ${name}`, async () => {
    const page = await open(CARDS.challenge, context);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'nothing sticks out');
    assert.deepEqual(await accessibilityFindings(page), []);
    await payButton(page).click();
    await bankOf(page).getByRole('button', { name: 'Approve' }).waitFor();
    assert.deepEqual(await accessibilityFindings(page), []);
    await answer(page, 'Approve');
    await thanks(page);
    assert.deepEqual(await accessibilityFindings(page), []);
  });
}
