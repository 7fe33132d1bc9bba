// 3-D Secure in a real Chromium: the customer on the issuer's page of the sandbox.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { startBrowser } from '../lib/browser.mjs';
import { assertOk, data, pay, readPayment, start, verifyLedger, waitFor } from './support.mjs';

let florin, browser, shop;
before(async () => {
  // The shop's page that customers come back to.
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<!doctype html><title>Shop</title><h1>Thank you</h1><p id="query">${new URL(request.url, 'http://shop').search.replaceAll('&', '&amp;')}</p>`);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  shop = { url: `http://127.0.0.1:${server.address().port}/done`, stop: () => new Promise((done) => server.close(done)) };
  [florin, browser] = await Promise.all([start(), startBrowser()]);
});
after(async () => {
  await browser?.stop();
  await verifyLedger(florin);
  await florin.stop();
  await shop.stop();
});

const challenged = () => pay(florin, { payment_method_token: 'pm_tok_3ds_challenge', return_url: shop.url });

async function open(p) {
  const page = await browser.page();
  await page.goto(p.next_action.url);
  assert.match(await page.textContent('main'), /92[.,]32/, 'the amount is on the page');
  return page;
}

async function atShop(page, status) {
  await page.waitForURL(`${shop.url}**`);
  assert.equal(new URL(page.url()).searchParams.get('status'), status);
  assert.deepEqual(page.complaints, []);
}

test('approve', async () => {
  const p = await challenged(), page = await open(p);
  await page.getByRole('button', { name: 'Approve' }).click();
  await atShop(page, 'captured');
  assert.equal((await readPayment(florin, p.id)).status, 'captured');
});

for (const [name, button, decline] of [['fail', 'Fail', 'authentication_failed'], ['cancel', 'Cancel', 'authentication_canceled'], ['expire', 'Let it expire now', 'authentication_expired']]) {
  test(name, async () => {
    const p = await challenged(), page = await open(p);
    await page.getByRole('button', { name: button, exact: true }).click();
    await atShop(page, 'failed');
    const now = await readPayment(florin, p.id);
    assert.equal(now.decline_code, decline);
    assert.equal(now.amount_captured, 0);
  });
}

test('close the window and come back', async () => {
  const p = await challenged(), first = await open(p);
  await first.context().close();
  assert.equal((await readPayment(florin, p.id)).status, 'requires_action');
  const page = await open(p);
  await page.getByRole('button', { name: 'Approve' }).click();
  await atShop(page, 'captured');
});

test('close the window after approving: the sale is not lost', async () => {
  const p = await challenged(), page = await open(p);
  await page.route('**/return/**', (route) => route.abort()); // the browser dies on the way back
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.context().close();
  await waitFor(async () => (await readPayment(florin, p.id)).status === 'captured'); // the provider's webhook tells
});

test('double click', async () => {
  const p = await challenged(), page = await open(p);
  await page.getByRole('button', { name: 'Approve' }).dblclick();
  await page.waitForURL(`${shop.url}**`);
  await waitFor(async () => (await readPayment(florin, p.id)).status === 'captured');
  assert.equal((await data(florin, `/v1/payments/${p.id}/journals`)).length, 1);
});

test('back button, and another answer', async () => {
  const p = await challenged(), page = await open(p);
  await page.getByRole('button', { name: 'Approve' }).click();
  await atShop(page, 'captured');
  await page.goBack();
  const button = page.getByRole('button', { name: 'Fail', exact: true });
  if (await button.isVisible()) await button.click(); // a page from the browser's memory
  else if (!page.url().startsWith(shop.url)) await page.getByRole('link', { name: 'Back to the shop' }).click();
  await page.waitForURL(`${shop.url}**`);
  assert.equal((await readPayment(florin, p.id)).status, 'captured');
});

test('without a return_url Florin itself says how it went', async () => {
  const p = await pay(florin, { payment_method_token: 'pm_tok_3ds_challenge' }), page = await open(p);
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.waitForURL('**/return/**');
  assert.match(await page.textContent('body'), /payment was made/);
  assert.deepEqual(page.complaints, []);
});

test('declined after the authentication', async () => {
  const p = await pay(florin, { payment_method_token: 'pm_tok_3ds_then_declined', return_url: shop.url }), page = await open(p);
  await page.getByRole('button', { name: 'Approve' }).click();
  await atShop(page, 'failed');
  assert.equal((await readPayment(florin, p.id)).decline_code, 'insufficient_funds');
});

test('a second try, on a phone in the dark', async () => {
  const p = await challenged(), page = await open(p);
  await page.getByRole('button', { name: 'Fail', exact: true }).click();
  await atShop(page, 'failed');
  const again = assertOk(await florin.post(`/v1/payments/${p.id}/confirm`, {}));
  const phone = await browser.page({ viewport: { width: 375, height: 667 }, colorScheme: 'dark' });
  await phone.goto(again.next_action.url);
  assert.ok(await phone.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'nothing sticks out');
  await phone.getByRole('button', { name: 'Approve' }).click();
  await atShop(phone, 'captured');
});
