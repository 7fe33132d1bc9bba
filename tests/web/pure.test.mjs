// The pure functions behind the pages: digits, dates, carets, styles, languages, amounts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { ROOT } from './support.mjs';

// web/ is TypeScript; esbuild makes a module of what is tested.
async function load(...files) {
  const stdin = files.map((file) => `export * from './web/${file}';`).join('\n');
  const out = execFileSync('esbuild', ['--bundle', '--format=esm', '--loader=ts', '--charset=utf8', '--log-level=warning'], { cwd: ROOT, input: stdin });
  return import(`data:text/javascript;base64,${out.toString('base64')}`);
}
const c = await load('shared/card', 'shared/edit', 'shared/style', 'shared/language', 'fields/rules', 'fields/take', 'checkout/state');
const TEXTS = await Promise.all(['fields/texts', 'sdk/texts', 'checkout/texts'].map((file) => load(file)));

test('luhn', () => {
  for (const good of ['4242424242424242', '378282246310005', '5555555555554444', '4000002760003184', '30569309025904', '0']) assert.ok(c.luhn(good), good);
  for (const bad of ['', '4242424242424241', '378282246310006', '1']) assert.ok(!c.luhn(bad), bad);
  // Any one digit changed, and any two unequal neighbours swapped but 09, are found.
  const number = '4000008400001629';
  for (let i = 0; i < number.length; i++) {
    for (let d = 0; d < 10; d++) if (String(d) !== number[i]) assert.ok(!c.luhn(number.slice(0, i) + d + number.slice(i + 1)));
  }
});

test('brands', () => {
  const brands = { '': 'unknown', 4: 'visa', 42: 'visa', 34: 'amex', 37: 'amex', 3: 'unknown', 5: 'unknown', 51: 'mastercard', 55: 'mastercard', 2221: 'mastercard',
    2720: 'mastercard', 2721: 'unknown', 2200: 'mir', 2204: 'mir', 2205: 'unknown', 36: 'diners', 3056: 'diners', 3528: 'jcb', 3589: 'jcb', 6011: 'discover', 62: 'unionpay', 65: 'discover', 6304: 'maestro', 9: 'unknown' };
  for (const [digits, brand] of Object.entries(brands)) assert.equal(c.brandOf(digits).name, brand, digits);
});

test('numbers are grouped as on the card', () => {
  assert.equal(c.formatNumber('4242424242424242'), '4242 4242 4242 4242');
  assert.equal(c.formatNumber('378282246310005'), '3782 822463 10005');
  assert.equal(c.formatNumber('30569309025904'), '3056 930902 5904');
  assert.equal(c.formatNumber('4242'), '4242');
  assert.equal(c.formatNumber('42424242424242424242999'), '4242 4242 4242 4242 424', 'no more than a card has');
  assert.equal(c.digitsOf('４２42-4 2x'), '42424 2'.replace(' ', ''));
});

test('what is wrong with a number', () => {
  const verdicts = { '': 'empty', 4242: 'incomplete', 4242424242424242: 'complete', 4242424242424241: 'invalid', 378282246310005: 'complete', 37828224631000: 'incomplete',
    378282246310006: 'invalid', 30569309025904: 'complete', 5555555555554: 'incomplete' };
  for (const [digits, verdict] of Object.entries(verdicts)) assert.equal(c.checkNumber(digits), verdict, digits);
});

test('dates in all forms that browsers and people write', () => {
  const forms = { 12: '12', 1230: '1230', '12/30': '1230', '12 / 30': '1230', '12/2030': '122030', '2030-12': '122030', '1/30': '0130', 1: '1', 5: '05', '5/31': '0531', '05/31': '0531', 122030: '122030', 12305: '1230' };
  for (const [text, digits] of Object.entries(forms)) assert.equal(c.expiryDigits(text), digits, text);
  assert.equal(c.formatExpiry('12', true), '12 / ');
  assert.equal(c.formatExpiry('12', false), '12');
  assert.equal(c.formatExpiry('122030', true), '12 / 2030');
  assert.deepEqual(c.expiryOf('0531'), { month: 5, year: 2031 });
  assert.deepEqual(c.expiryOf('122030'), { month: 12, year: 2030 });
});

test('a card is good to the end of its month', () => {
  const at = (text) => new Date(text);
  assert.equal(c.checkExpiry('1126', at('2026-11-30T23:59:59Z')), 'complete');
  assert.equal(c.checkExpiry('1126', at('2026-12-01T00:00:00Z')), 'past');
  const now = at('2026-11-30T00:00:00Z');
  for (const [digits, verdict] of Object.entries({ '': 'empty', 1: 'incomplete', 13: 'invalid', '00': 'invalid', 12: 'incomplete', 1220: 'incomplete', 12203: 'incomplete', 122030: 'complete', 1277: 'invalid', 1276: 'complete', '0126': 'past' })) assert.equal(c.checkExpiry(digits, now), verdict, digits);
});

test('the code is as long as the brand has it', () => {
  const visa = c.brandOf('42'), amex = c.brandOf('37');
  assert.equal(c.checkCvc('123', visa), 'complete');
  assert.equal(c.checkCvc('1234', visa), 'invalid');
  assert.equal(c.checkCvc('123', amex), 'incomplete');
  assert.equal(c.checkCvc('1234', amex), 'complete');
  assert.equal(c.checkCvc('1234', c.UNKNOWN), 'complete');
  assert.equal(c.RULES.cvc.digits('12a345', true, visa), '123');
});

test('the caret stays behind its digit', () => {
  const text = '4242 4242 4242';
  for (let n = 0; n <= 12; n++) for (const forward of [true, false]) assert.equal(c.digitsBefore(text, c.caretBehind(text, n, forward)), n);
  assert.equal(c.caretBehind(text, 4, true), 5, 'typing on: behind the space');
  assert.equal(c.caretBehind(text, 4, false), 4, 'deleting: before it');
  assert.deepEqual(c.withoutNeighbour('4242 4', '42424', '42424', 4, 'deleteContentBackward'), { digits: '4244', left: 3 });
  assert.deepEqual(c.withoutNeighbour('4242 5', '42425', '42425', 4, 'deleteContentForward'), { digits: '4242', left: 4 });
  assert.deepEqual(c.withoutNeighbour('424', '42', '42', 2, 'deleteContentBackward'), { digits: '42', left: 2 });
});

test('styles: only what is known, only harmless values', () => {
  assert.deepEqual(c.declarations({ color: '#123', fontSize: '16px', padding: '10px 12px', placeholderColor: 'rgb(1, 2, 3)' }),
    [['color', '#123'], ['font-size', '16px'], ['padding', '10px 12px'], ['--placeholder', 'rgb(1, 2, 3)']]);
  const bad = ['url(https://evil.example/)', 'red;background:url(x)', 'expression(alert(1))', 'var(--x)', '</style>', 'red}', '\\75rl(x)', 'attr(value)', 'image-set("x")', 'rgb(url(x))', `a${' '.repeat(500)}b(`];
  for (const option of c.STYLE_OPTIONS) for (const value of bad) assert.deepEqual(c.declarations({ [option]: value }).filter(([, v]) => /[(;}<\\]/.test(v)), [], `${option}: ${value}`);
  for (const style of [{ background: 'red' }, { backgroundImage: 'url(x)' }, { constructor: 'red' }, { __proto__: { color: 'red' } }, { position: 'fixed' }, { opacity: '0' }, null, 'color:red', { color: 5 }]) assert.deepEqual(c.declarations(style), []);
});

test('every language says everything, in its own words', () => {
  for (const { TEXTS: all } of TEXTS) {
    assert.deepEqual(Object.keys(all), ['en', 'ru', 'de', 'es', 'pt']);
    for (const [language, texts] of Object.entries(all)) {
      assert.deepEqual(Object.keys(texts).sort(), Object.keys(all.en).sort(), language);
      for (const [name, text] of Object.entries(texts)) {
        assert.ok(text.trim(), `${language}.${name}`);
        assert.deepEqual(text.match(/\{\w+\}/g), all.en[name].match(/\{\w+\}/g), `${language}.${name}: what is filled in`);
        assert.equal(/[.!?…]$/.test(text), /[.!?…]$/.test(all.en[name]), `${language}.${name}: ends as the English one`);
        if (language === 'ru') assert.match(text, /[а-яё]|\{amount\}/i, name);
      }
      assert.equal(language === 'en' || Object.entries(texts).filter(([name, text]) => text === all.en[name]).length <= 2, true, `${language} is translated`);
    }
  }
});

test('languages', () => {
  assert.equal(c.languageOf('pt-BR'), 'pt');
  assert.equal(c.languageOf('fr', 'de-AT'), 'de');
  assert.equal(c.languageOf(null, undefined, ''), 'en');
  assert.equal(c.languageOf('RU_ru'), 'ru');
  assert.equal(c.localeOf('pt', 'en', 'pt_PT'), 'pt-PT');
  assert.equal(c.localeOf('pt', 'pt-x!', 'pt-BR'), 'pt');
  assert.equal(c.localeOf('en', null, 'fr'), 'en');
});

test('amounts as the language writes them', () => {
  const plain = (text) => text.replace(/[\u00a0\u202f]/g, ' ');
  assert.equal(plain(c.amountText(9232, { currency: 'EUR' }, 'de')), '92,32 €');
  assert.equal(plain(c.amountText(9232, { currency: 'EUR' }, 'en')), '€92.32');
  assert.equal(plain(c.amountText(500, { currency: 'JPY' }, 'en')), '¥500');
  assert.equal(plain(c.amountText(1234, { currency: 'BHD' }, 'en')), 'BHD 1.234');
  assert.equal(plain(c.amountText(1234, { currency: 'EUR', exponent: 3 }, 'en')), '€1.234');
});

test('which screen a state means', () => {
  const screen = (status, payment) => c.screenOf({ checkout: { status }, payment: payment ? { status: payment, next_action: payment === 'requires_action' ? { url: 'x' } : null } : null });
  for (const [status, payment, expected] of [['open', null, 'pay'], ['open', 'failed', 'pay'], ['open', 'requires_action', 'confirm'], ['processing', 'processing', 'processing'], ['complete', 'captured', 'paid'],
    ['open', 'authorized', 'paid'], ['expired', null, 'expired'], ['expired', 'failed', 'expired'], ['expired', 'captured', 'paid'], ['complete', null, 'paid'], ['open', 'canceled', 'pay']]) assert.equal(screen(status, payment), expected, `${status} ${payment}`);
});

test('a state is read, or refused', () => {
  const { checkout, payment } = c.stateOf({ id: 'chk_1', status: 'open', amount: 5, currency: 'EUR', merchant: { name: 'Shop' }, payment: { id: 'pay_1' } });
  assert.deepEqual([checkout.merchant_name, checkout.amount, payment.id], ['Shop', 5, 'pay_1']);
  for (const bad of [null, undefined, 'x', {}, { amount: '5', currency: 'EUR' }]) assert.equal(c.stateOf(bad), null);
});

test('the way back leads to the web only', () => {
  const payment = { id: 'pay_1', status: 'captured' };
  assert.equal(c.returnAddress({ id: 'chk_1', return_url: 'https://shop.example/done?a=1#x' }, payment), 'https://shop.example/done?a=1&checkout=chk_1&payment=pay_1&status=captured#x');
  for (const bad of ['javascript:alert(1)', 'data:text/html,x', null, '']) assert.equal(c.returnAddress({ id: 'chk_1', return_url: bad }, payment), null);
});

test('an answer is taken member by member', () => {
  assert.deepEqual(c.methodOf({ id: 'pm_1', type: 'card', status: 'unattached', number: '4242424242424242', card: { brand: 'visa', last_four: '4242', bin: '42424242', exp_month: 12, exp_year: 2034 } }),
    { id: 'pm_1', type: 'card', status: 'unattached', card: { brand: 'visa', last_four: '4242', exp_month: 12, exp_year: 2034, funding: null, issuer: null, country: null } });
  for (const bad of [null, 'x', {}, [], { id: 5 }]) assert.equal(c.methodOf(bad), null);
});
