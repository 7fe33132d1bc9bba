// Paying with florin.js from a shop's page, 3-D Secure in a frame and by redirect, in a real Chromium.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CARDS, MOUNT, accessibilityFindings, inputOf, startWorld, typeCard } from './support.mjs';

let world;
before(async () => { world = await startWorld(); });
after(() => world?.stop());

let tokens = 0;
async function open(card, { options = '{}', lang = 'en', ...context } = {}) {
  const shop = await world.shop({ script: `window.token = 'ct_test_2_pay${++tokens}_' + '7'.repeat(40); ${MOUNT(options)}`, lang });
  const page = await world.browser.page(context);
  await page.goto(shop.url);
  await page.waitForFunction(() => seen.filter((one) => one.name === 'ready').length === 3);
  await typeCard(page, card);
  return page;
}
// The result comes later, when the customer has answered.
const confirm = (page, options = {}) => page.evaluate((o) => { window.result = client.confirmPayment(o).then((r) => (window.ended = r)); }, options);
const ended = (page) => page.evaluate(() => window.result);
const bank = (page) => page.frameLocator('dialog iframe');

test('approved', async () => {
  const page = await open(CARDS.approved);
  await confirm(page, { amount: 1234 });
  const { payment, error } = await ended(page);
  assert.deepEqual([payment.status, payment.amount, error], ['captured', 1234, undefined]);
  assert.deepEqual(page.complaints, []);
});

for (const [card, code, message] of [[CARDS.declined, 'generic_decline', 'Die Karte wurde abgelehnt. Versuchen Sie es mit einer anderen Karte.'], [CARDS.insufficient, 'insufficient_funds', 'Die Karte ist nicht ausreichend gedeckt.']]) {
  test(`declined: ${code}`, async () => {
    const page = await open(card, { lang: 'de' });
    await confirm(page);
    const { payment, error } = await ended(page);
    assert.deepEqual([payment.status, error.code, error.decline_code, error.message], ['failed', 'payment_declined', code, message]);
  });
}

test('an outcome that is not known yet is waited for', async () => {
  const page = await open(CARDS.slow);
  await confirm(page);
  assert.equal((await ended(page)).payment.status, 'captured');
});

test('a 503 is asked again, and nothing is paid twice', async () => {
  const page = await open(CARDS.approved);
  const before = world.pub.payments.size;
  world.pub.broken = 2;
  await confirm(page);
  assert.equal((await ended(page)).payment.status, 'captured');
  assert.equal(world.pub.payments.size, before + 1);
});

test('3-D Secure in a frame: approved', async () => {
  const page = await open(CARDS.challenge);
  await page.locator('h1').evaluate((h1) => { h1.tabIndex = -1; h1.focus(); });
  await confirm(page);
  await bank(page).getByRole('button', { name: 'approve' }).waitFor();
  assert.equal(await page.locator('dialog').getAttribute('aria-label'), 'Confirm the payment');
  assert.deepEqual(await accessibilityFindings(page), []);
  await bank(page).getByRole('button', { name: 'approve' }).click();
  assert.equal((await ended(page)).payment.status, 'captured');
  assert.equal(await page.locator('dialog').count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1', 'the focus is where it was');
});

test('3-D Secure in a frame: failed, and declined afterwards', async () => {
  let page = await open(CARDS.challenge);
  await confirm(page);
  await bank(page).getByRole('button', { name: 'fail' }).click();
  assert.equal((await ended(page)).error.decline_code, 'authentication_failed');
  page = await open(CARDS.challengeDeclined);
  await confirm(page);
  await bank(page).getByRole('button', { name: 'approve' }).click();
  assert.equal((await ended(page)).error.decline_code, 'insufficient_funds');
});

test('3-D Secure in a frame: Escape asks; leaving ends the view, not the payment', async () => {
  const page = await open(CARDS.challenge);
  await confirm(page);
  await bank(page).getByRole('button', { name: 'approve' }).waitFor();
  await page.getByRole('button', { name: 'Close' }).focus();
  await page.keyboard.press('Escape');
  assert.match(await page.getByRole('alert').textContent(), /Leave without confirming/);
  assert.deepEqual(await accessibilityFindings(page), []);
  await page.getByRole('button', { name: 'Stay' }).click();
  assert.ok(!await page.getByRole('alert').isVisible());
  for (let i = 0; i < 12; i++) { // round and round: never on the page below
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null));
  }
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('button', { name: 'Leave' }).click();
  const { error, payment } = await ended(page);
  assert.deepEqual([error.code, payment.status], ['authentication_left', 'requires_action']);
  // The customer thinks again.
  await page.evaluate((p) => { window.result = client.handleNextAction(p); }, payment);
  await bank(page).getByRole('button', { name: 'approve' }).click();
  assert.equal((await ended(page)).payment.status, 'captured');
});

test('3-D Secure in a frame: only the bank\'s frame may say that it is over', async () => {
  const page = await open(CARDS.challenge);
  await confirm(page);
  await bank(page).getByRole('button', { name: 'approve' }).waitFor();
  const before = world.pub.confirms;
  await page.evaluate(() => window.postMessage({ type: 'florin:returned' }, '*'));
  await page.evaluate(() => new Promise((done) => setTimeout(done, 50)));
  assert.equal(await page.locator('dialog').count(), 1);
  assert.equal(world.pub.confirms, before);
});

test('3-D Secure in a frame: confirmed in the bank\'s app, the frame says nothing', async () => {
  const page = await open(CARDS.challenge);
  await confirm(page);
  await bank(page).getByRole('button', { name: 'approve' }).waitFor();
  const payment = [...world.pub.payments.values()].at(-1);
  Object.assign(payment, { status: 'captured', next_action: null });
  assert.equal((await ended(page)).payment.status, 'captured');
});

test('an address that is a script is not opened', async () => {
  const page = await open(CARDS.approved);
  const { payment } = await page.evaluate(() => client.handleNextAction({ id: 'pay_1', status: 'requires_action', amount: 1, currency: 'EUR', next_action: { type: 'three_ds_challenge', url: 'javascript:window.ran=1', client_token: 'ct_test_x' } }));
  assert.equal(payment.status, 'requires_action');
  assert.equal(await page.locator('dialog').count(), 0);
});

test('the demo shop: typed, challenged, paid; the shop sees no number', async () => {
  const shop = await world.demo();
  const page = await world.browser.page();
  const bodies = [];
  page.on('request', (request) => { if (!request.url().startsWith(world.card)) bodies.push(request.url(), request.postData() ?? ''); });
  await page.goto(shop.url);
  await typeCard(page, CARDS.challenge);
  assert.deepEqual(await accessibilityFindings(page), []);
  await page.getByRole('button', { name: /Pay/ }).click();
  await bank(page).getByRole('button', { name: 'approve' }).click();
  await page.getByText(/Thank you\. Payment pay_\w+ is captured\./).waitFor();
  assert.deepEqual(page.complaints, [], 'its own strict policy is kept');
  assert.doesNotMatch(bodies.join('\n'), /4000002760003184/);
  assert.match(world.host.last().number, /^4000002760003184$/);
  assert.deepEqual(await accessibilityFindings(page), []);
});

test('the demo shop: 3-D Secure by redirect, and back', async () => {
  const shop = await world.demo();
  const page = await world.browser.page();
  await page.goto(shop.url);
  await typeCard(page, CARDS.challenge);
  await page.getByLabel(/own page/).check();
  await inputOf(page, 'cvc').focus();
  await page.keyboard.press('Enter'); // in a field: it pays
  await page.waitForURL('**/bank/**');
  await page.getByRole('button', { name: 'approve' }).click();
  await page.waitForURL(`${shop.url}/**`);
  await page.getByText(/is captured/).waitFor();
  await page.reload();
  assert.ok(await page.getByRole('button', { name: /Pay/ }).isVisible(), 'it is told once');
});
