// The card fields in a real Chromium, from the real card role: what customers do, and what shops and hostile pages see.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { waitFor } from '../lib/wait.mjs';
import { CARDS, MOUNT, accessibilityFindings, frameOf, inputOf, lastChange, startWorld, typeCard } from './support.mjs';

let world;
before(async () => { world = await startWorld(); });
after(() => world?.stop());

async function open(options = {}, context = {}) {
  const shop = await world.shop({ script: MOUNT(options.client, options.field), ...options });
  const page = await world.browser.page(context);
  await page.goto(shop.url);
  await page.waitForFunction(() => seen.filter((one) => one.name === 'ready').length === 3);
  return page;
}

const DIGITS = /\d{6,}/;
// All that the shop's page has got: events, messages, its own DOM.
const seenByPage = (page) => page.evaluate(() => JSON.stringify([seen, window.heard, document.documentElement.outerHTML, Object.keys(localStorage), Object.keys(sessionStorage)]).replace(/7{20,}|[0-9a-f]{32}|127\.0\.0\.1:\d+/g, ''));

test('a card is typed, and becomes a payment method', async () => {
  const page = await open();
  await typeCard(page, CARDS.approved);
  assert.equal(await inputOf(page, 'number').inputValue(), '4242 4242 4242 4242');
  assert.equal(await inputOf(page, 'expiry').inputValue(), '12 / 34');
  for (const kind of ['number', 'expiry', 'cvc']) {
    const { complete, empty, error, brand } = await lastChange(page, kind);
    assert.deepEqual([complete, empty, error, brand], [true, false, null, kind === 'number' ? 'visa' : null], kind);
  }
  const result = await page.evaluate(() => client.createPaymentMethod({ name: 'Ada Lovelace' }));
  assert.equal(result.error, undefined);
  assert.match(result.paymentMethod.id, /^pm_/);
  assert.deepEqual(result.paymentMethod.card, { brand: 'visa', last_four: '4242', exp_month: 12, exp_year: 2034, funding: null, issuer: null, country: null });
  assert.deepEqual(world.host.last(), { number: CARDS.approved, month: 12, year: 2034, cvc: '123' }, 'the vault got the card');
  assert.equal(world.host.told.find((one) => one.origin)?.origin, new URL(page.url()).origin, 'and Florin the page that shows the fields');
  assert.equal(world.host.told.findLast((one) => 'name' in one).name, 'Ada Lovelace');
  assert.doesNotMatch(await seenByPage(page), DIGITS, 'the page never sees digits');
  assert.deepEqual(page.complaints, []);
});

test('pasted with spaces, dashes, and too much', async () => {
  const page = await open(), number = inputOf(page, 'number');
  await number.focus();
  await page.evaluate(() => undefined);
  await number.evaluate((input) => { input.focus(); document.execCommand('insertText', false, ' 4242-4242 4242 4242 '); });
  assert.equal(await number.inputValue(), '4242 4242 4242 4242');
  await number.fill('5555 5555 5555 4444 99');
  assert.equal(await number.inputValue(), '5555 5555 5555 4444');
  assert.equal((await lastChange(page, 'number')).brand, 'mastercard');
});

test('American Express: four, six, five, and a code of four', async () => {
  const page = await open();
  await typeCard(page, CARDS.amex, { cvc: '1234' });
  assert.equal(await inputOf(page, 'number').inputValue(), '3782 822463 10005');
  assert.equal(await inputOf(page, 'cvc').inputValue(), '1234');
  assert.ok((await lastChange(page, 'cvc')).complete);
  assert.equal(await frameOf(page, 'number').getByRole('img').getAttribute('aria-label'), 'American Express');
  await inputOf(page, 'number').fill('4242424242424242');
  await waitFor(async () => (await lastChange(page, 'cvc')).error?.code === 'cvcInvalid'); // of a Visa it is too long
});

test('the caret stays where the customer put it', async () => {
  const page = await open(), number = inputOf(page, 'number');
  const caret = () => number.evaluate((input) => input.selectionStart);
  await number.pressSequentially('42424242');
  assert.equal(await number.inputValue(), '4242 4242');
  await number.evaluate((input) => input.setSelectionRange(2, 2));
  await page.keyboard.type('9');
  assert.equal(await number.inputValue(), '4294 2424 2');
  assert.equal(await caret(), 3);
  await number.evaluate((input) => input.setSelectionRange(5, 5));
  await page.keyboard.press('Backspace'); // on the space
  assert.equal(await number.inputValue(), '4292 4242');
  assert.equal(await caret(), 3);
  const expiry = inputOf(page, 'expiry');
  await expiry.pressSequentially('12');
  assert.equal(await expiry.inputValue(), '12 / ');
  await page.keyboard.press('Backspace');
  assert.equal(await expiry.inputValue(), '1');
  await expiry.fill('');
  await expiry.pressSequentially('5/31');
  assert.equal(await expiry.inputValue(), '05 / 31');
});

for (const [lang, texts] of Object.entries({
  en: ['The card number is not valid.', 'The card has expired.', 'The security code is incomplete.', 'Enter the card number.'],
  ru: ['Номер карты неверен.', 'Срок действия карты истёк.', 'Код безопасности введён не полностью.', 'Введите номер карты.'],
  de: ['Die Kartennummer ist ungültig.', 'Die Karte ist abgelaufen.', 'Die Prüfnummer ist unvollständig.', 'Geben Sie die Kartennummer ein.'],
  es: ['El número de la tarjeta no es válido.', 'La tarjeta ha caducado.', 'El código de seguridad está incompleto.', 'Introduzca el número de la tarjeta.'],
  pt: ['O número do cartão não é válido.', 'O cartão expirou.', 'O código de segurança está incompleto.', 'Introduza o número do cartão.'],
})) {
  test(`errors in the page's language: ${lang}`, async () => {
    const page = await open({ lang }, { locale: 'fr-FR' });
    await typeCard(page, '4242424242424241', { expiry: '1220', cvc: '12' });
    await inputOf(page, 'expiry').fill('01 / 21');
    await page.keyboard.press('Tab');
    await waitFor(async () => (await lastChange(page, 'expiry')).error);
    const errors = await Promise.all(['number', 'expiry', 'cvc'].map(async (kind) => (await lastChange(page, kind)).error.message));
    assert.deepEqual(errors, texts.slice(0, 3));
    assert.equal(await frameOf(page, 'number').getByRole('status').textContent(), texts[0], 'said to screen readers');
    assert.equal(await inputOf(page, 'number').getAttribute('aria-invalid'), 'true');
    await inputOf(page, 'number').fill('');
    const { error } = await page.evaluate(() => client.createPaymentMethod());
    assert.deepEqual([error.code, error.message, error.param], ['incomplete', texts[3], 'number']);
  });
}

test('with the keyboard alone', async () => {
  const page = await open({ html: '<a href="#">before</a><div id="number"></div><div id="expiry"></div><div id="cvc"></div><button>Pay</button>' });
  // The frames are processes of their own: the focus takes a moment to move, as fingers do.
  const focused = (kind) => waitFor(() => inputOf(page, kind).evaluate((input) => document.hasFocus() && document.activeElement === input));
  await page.getByRole('link').focus();
  for (const [kind, text] of [['number', CARDS.approved], ['expiry', '1234'], ['cvc', '123']]) {
    await page.keyboard.press('Tab');
    await focused(kind);
    await page.keyboard.type(text);
  }
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => seen.some((one) => one.name === 'submit' && one.kind === 'cvc'));
  await page.keyboard.press('Tab');
  await page.waitForFunction(() => document.activeElement.textContent === 'Pay');
  await page.keyboard.press('Shift+Tab');
  await focused('cvc');
  await page.keyboard.press('Shift+Tab');
  await focused('expiry');
  assert.ok((await page.evaluate(() => client.createPaymentMethod())).paymentMethod);
});

test('browsers know what to fill in', async () => {
  const page = await open();
  for (const [kind, autocomplete, label] of [['number', 'cc-number', 'Card number'], ['expiry', 'cc-exp', 'Expiry date'], ['cvc', 'cc-csc', 'Security code']]) {
    const input = inputOf(page, kind);
    assert.deepEqual(await input.evaluate((one) => [one.autocomplete, one.inputMode, one.form?.autocomplete]), [autocomplete, 'numeric', 'on']);
    assert.equal(await frameOf(page, kind).getByLabel(label, { exact: true }).count(), 1);
    assert.equal(await page.locator(`iframe[src*="/fields/${kind}"]`).getAttribute('title'), label);
  }
  // A browser that fills in the number's frame only.
  await frameOf(page, 'number').locator('[data-for=expiry]').evaluate((one) => { one.value = '2031-05'; one.dispatchEvent(new Event('input')); });
  assert.equal(await inputOf(page, 'expiry').inputValue(), '05 / 2031');
  assert.ok((await lastChange(page, 'expiry')).complete);
});

test('style: what is safe and nothing else', async () => {
  const style = { color: 'rgb(10, 20, 30)', fontSize: '20px', placeholderColor: '#abc', backgroundColor: 'url(https://evil.example/x)', fontFamily: 'x;background:url(//evil.example)', position: 'fixed', letterSpacing: '1px' };
  const page = await open({ field: JSON.stringify({ style, placeholder: 'Number', label: 'Numero' }) });
  const got = await inputOf(page, 'number').evaluate((input) => { const s = getComputedStyle(input); return [s.color, s.fontSize, s.backgroundColor, s.position, s.letterSpacing, input.placeholder, document.documentElement.style.cssText]; });
  assert.deepEqual(got, ['rgb(10, 20, 30)', '20px', 'rgba(0, 0, 0, 0)', 'static', '1px', 'Number', '--placeholder: #abc;']);
  assert.doesNotMatch(await frameOf(page, 'number').locator('html').evaluate((html) => html.outerHTML), /evil/);
  assert.equal(await frameOf(page, 'number').getByLabel('Numero').count(), 1);
});

test('a token that is over, a field that is missing', async () => {
  const page = await open();
  await typeCard(page, CARDS.approved);
  await page.evaluate(() => { window.token = `ct_test_over_${'7'.repeat(43)}`; });
  const { error } = await page.evaluate(() => client.createPaymentMethod());
  assert.deepEqual([error.code, error.message], ['authentication_required', 'This payment page is out of date. Please load it again.']);
  await page.evaluate(() => made.cvc.unmount());
  assert.equal((await page.evaluate(() => client.createPaymentMethod())).error.code, 'fields_missing');
});

test('two forms in one page do not mix', async () => {
  const ids = ['number', 'expiry', 'cvc'];
  const page = await open({
    html: [...ids, ...ids.map((id) => `${id}2`)].map((id) => `<div id="${id}"></div>`).join(''),
    script: `${MOUNT()} window.second = Florin({ clientToken: async () => 'ct_test_2_' + '8'.repeat(43) }); for (const kind of ${JSON.stringify(ids)}) second.fields.create(kind).mount('#' + kind + '2');`,
  });
  const inSecond = (kind) => page.frameLocator(`#${kind}2 iframe`).locator('#field');
  await page.frameLocator('#number iframe').locator('#field').fill(CARDS.approved);
  await inSecond('number').fill(CARDS.mastercard);
  await inSecond('expiry').fill('1135');
  await inSecond('cvc').fill('456');
  assert.ok((await page.evaluate(() => second.createPaymentMethod())).paymentMethod);
  assert.deepEqual(world.host.last(), { number: CARDS.mastercard, month: 11, year: 2035, cvc: '456' });
  assert.equal((await page.evaluate(() => client.createPaymentMethod())).error.param, 'expiry', 'the first form is not complete');
});

// --- hostile pages ---

test('a page cannot read the fields', async () => {
  const page = await open();
  await typeCard(page, CARDS.approved);
  const tried = await page.evaluate(() => [...document.querySelectorAll('iframe')].map((frame) => {
    const tries = [() => frame.contentDocument.body.innerHTML, () => frame.contentWindow.document, () => frame.contentWindow.florinField.digits(), () => frame.contentWindow.frames.florinField];
    return tries.map((one) => { try { return String(one()); } catch (error) { return error.name; } });
  }));
  for (const results of tried) for (const result of results) assert.match(result, /TypeError|SecurityError|undefined/);
});

test('commands of other frames and origins are not obeyed', async () => {
  const page = await open();
  await typeCard(page, CARDS.approved);
  const before = world.host.told.length;
  // A frame of another origin within the page sends to the field: the source is not the parent.
  const evil = await world.serve((request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(
    `<script>for (let i = 0; i < parent.frames.length; i++) { parent.frames[i].postMessage({ florin: 'florin:1', type: 'clear' }, '*'); parent.frames[i].postMessage({ florin: 'florin:1', type: 'tokenize', call: 1, token: 'ct_test_evil', name: '' }, '*'); }
     parent.postMessage({ florin: 'florin:1', type: 'change', complete: true, empty: false, brand: 'forged' }, '*'); document.title = 'done';</script>`));
  await page.evaluate((url) => { const frame = document.createElement('iframe'); frame.src = url; document.body.append(frame); }, evil.url);
  await waitFor(async () => (await page.evaluate(() => (window.heard ?? []).some((one) => one.includes('forged')))));
  assert.equal(await inputOf(page, 'number').inputValue(), '4242 4242 4242 4242');
  assert.equal(world.host.told.length, before, 'nothing was sent to Florin');
  assert.doesNotMatch(JSON.stringify(await page.evaluate(() => seen)), /forged/, 'a message that is not the field\'s is no event');
});

test('a page that says it is another sees no field', async () => {
  const evil = await world.shop({ html: `<iframe src="${world.card}/fields/number?o=https://shop.example&g=x&l=en"></iframe><div id="number"></div><div id="expiry"></div><div id="cvc"></div>`, script: 'document.title = "there"' });
  const page = await world.browser.page();
  await page.goto(evil.url);
  await waitFor(() => page.complaints.some((one) => /frame-ancestors/.test(one)));
  assert.equal(await page.frames()[1].locator('#field').count(), 0);
});

test('a field alone takes nothing, and one without a page is refused', async () => {
  const page = await world.browser.page();
  await page.goto(`${world.card}/fields/number?o=http://127.0.0.1:1&g=x&l=en`);
  assert.equal(await page.evaluate(() => window.florinField), undefined);
  for (const query of ['', '?o=', '?o=*', '?o=https://a.example%20https://b.example', "?o=https://a.example;script-src%20'unsafe-inline'", '?o=https://a.example&o=https://b.example', '?o=null']) {
    assert.equal((await fetch(`${world.card}/fields/number${query}`)).status, 400, query);
  }
  assert.equal((await fetch(`${world.card}/fields/pin?o=https://a.example`)).status, 404);
});

test('text cannot become script in a field: what is tried is refused and reported', async () => {
  const page = await open();
  const tried = await frameOf(page, 'number').locator('html').evaluate(async () => {
    const caught = [];
    await new Promise((done) => setTimeout(() => { // of its own: what the debugger runs may
      try { eval('window.ran = 1'); caught.push('no'); } catch (error) { caught.push(error.name); }
      done();
    }));
    for (const one of [() => { document.body.innerHTML = '<img src=x onerror=alert(1)>'; }, () => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s); }]) {
      try { one(); caught.push('no'); } catch (error) { caught.push(error.name); }
    }
    return [caught, window.ran];
  });
  assert.deepEqual(tried, [['EvalError', 'TypeError', 'TypeError'], undefined]);
  await waitFor(() => world.host.told.some((one) => one.report?.includes('require-trusted-types-for')));
});

test('no serious finding of axe, empty and with errors', async () => {
  const page = await open();
  assert.deepEqual(await accessibilityFindings(page), []);
  await typeCard(page, '4242424242424241', { expiry: '0121', cvc: '1' });
  await page.keyboard.press('Tab');
  assert.deepEqual(await accessibilityFindings(page), []);
});
