// Bad input gets the right problem document that names the field, and leaves no row.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { all, assertOk, assertProblem, data, newKey, pay, payment, start, verifyLedger, wholeBook } from './support.mjs';

let florin, held, captured, before_;
const ID = '0'.repeat(26);

async function rows() {
  const report = await verifyLedger(florin);
  return {
    payments: await all(florin, '/v1/payments'),
    refunds: await all(florin, '/v1/refunds'),
    events: await all(florin, '/v1/events'),
    endpoints: await data(florin, '/v1/webhook_endpoints'),
    accounts: await data(florin, '/v1/provider_accounts'),
    journals: report.journals,
    head: report.head,
    book: await wholeBook(florin),
  };
}

before(async () => {
  florin = await start();
  held = (await pay(florin, { capture: false })).id;
  captured = (await pay(florin)).id;
  assertOk(await florin.post(`/v1/payments/${captured}/refund`, { amount: 232 }));
  before_ = await rows();
});
after(async () => { await florin?.stop(); });

const invalid = [400, 'parameter_invalid'], missing = [400, 'parameter_missing'], unknown = [400, 'parameter_unknown'];
const notJson = [400, 'json_invalid'];
const raw = (text) => Buffer.from(text, 'latin1');
const nested = (depth) => '{"metadata":'.repeat(depth) + '1' + '}'.repeat(depth);

// [name, body (text and bytes as they are), [status, code], param]
const create = [
  ['an empty body', '', missing, 'amount'],
  ['only spaces', '   ', notJson],
  ['half an object', '{"amount": 9232', notJson],
  ['a list', '[]', invalid],
  ['a list of payments', JSON.stringify([payment()]), invalid],
  ['a bare string', '"pay"', notJson],
  ['a bare number', '9232', notJson],
  ['a bare null', 'null', notJson],
  ['metadata that is long once it is written as JSON', JSON.stringify(payment({ metadata: Object.fromEntries(
    Array.from({ length: 50 }, (_, i) => [`k${i}`, '\u0001'.repeat(500)])) })), invalid, 'metadata'],
  ['text after the object', `${JSON.stringify(payment())} {}`, notJson],
  ['a member twice', '{"amount":1,"amount":9232,"currency":"EUR","payment_method_token":"pm_tok_visa"}', notJson],
  ['a trailing comma', '{"amount":9232,"currency":"EUR","payment_method_token":"pm_tok_visa",}', notJson],
  ['single quotes', "{'amount':9232}", notJson],
  ['a comment', '{/* hi */"amount":9232}', notJson],
  ['names without quotes', '{amount:9232}', notJson],
  ['NaN', '{"amount":NaN}', notJson],
  ['Infinity', '{"amount":Infinity}', notJson],
  ['a hexadecimal number', '{"amount":0x2410}', notJson],
  ['a leading zero', '{"amount":09232}', notJson],
  ['a leading plus', '{"amount":+9232}', notJson],
  ['a number without a digit before the point', '{"amount":.5}', notJson],
  ['an integer beyond 64 bits', '{"amount":99999999999999999999}', notJson],
  ['just beyond 64 bits', '{"amount":9223372036854775808}', notJson],
  ['an exponent beyond all', '{"amount":1e400}', notJson],
  ['a NUL in a string', '{"description":"a\\u0000b"}', notJson],
  ['a NUL in a name', '{"a\\u0000b":1}', notJson],
  ['half a surrogate pair', '{"description":"\\ud800"}', notJson],
  ['bytes that are not UTF-8', raw('{"description":"\xff\xfe"}'), notJson],
  ['overlong UTF-8', raw('{"description":"\xc0\xaf"}'), notJson],
  ['a raw control character in a string', '{"description":"a\u0001b"}', notJson],
  ['a byte order mark', `\ufeff${JSON.stringify(payment())}`, notJson],
  ['UTF-16', Buffer.from(JSON.stringify(payment()), 'utf16le'), notJson],
  ['an unknown escape', '{"description":"\\x41"}', notJson],
  ['too deep', nested(17), notJson],
  ['ten thousand brackets', '['.repeat(10000), notJson],
  ['a hundred thousand objects deep', '{"a":'.repeat(50000), notJson],

  ['no amount', payment({ amount: undefined }), missing, 'amount'],
  ['amount null', payment({ amount: null }), invalid, 'amount'],
  ['amount as text', payment({ amount: '9232' }), invalid, 'amount'],
  ['amount with a fraction', payment({ amount: 92.32 }), invalid, 'amount'],
  ['amount 9232.0', '{"amount":9232.0,"currency":"EUR","payment_method_token":"pm_tok_visa"}', invalid, 'amount'],
  ['amount 9e3', '{"amount":9e3,"currency":"EUR","payment_method_token":"pm_tok_visa"}', invalid, 'amount'],
  ['amount true', payment({ amount: true }), invalid, 'amount'],
  ['amount in a list', payment({ amount: [9232] }), invalid, 'amount'],
  ['amount in an object', payment({ amount: { value: 9232 } }), invalid, 'amount'],
  ['amount zero', payment({ amount: 0 }), invalid, 'amount'],
  ['amount minus zero', '{"amount":-0,"currency":"EUR","payment_method_token":"pm_tok_visa"}', invalid, 'amount'],
  ['a negative amount', payment({ amount: -9232 }), invalid, 'amount'],
  ['amount above the limit', payment({ amount: 1000000000000 }), invalid, 'amount'],
  ['the largest 64-bit amount', '{"amount":9223372036854775807,"currency":"EUR","payment_method_token":"pm_tok_visa"}', invalid, 'amount'],

  ['no currency', payment({ currency: undefined }), missing, 'currency'],
  ['currency null', payment({ currency: null }), invalid, 'currency'],
  ['currency as number', payment({ currency: 978 }), invalid, 'currency'],
  ['currency in lower case', payment({ currency: 'eur' }), invalid, 'currency'],
  ['currency too short', payment({ currency: 'EU' }), invalid, 'currency'],
  ['currency too long', payment({ currency: 'EURO' }), invalid, 'currency'],
  ['currency empty', payment({ currency: '' }), invalid, 'currency'],
  ['a currency that is none', payment({ currency: 'ABC' }), invalid, 'currency'],
  ['the currency of tests', payment({ currency: 'XTS' }), invalid, 'currency'],
  ['gold', payment({ currency: 'XAU' }), invalid, 'currency'],
  ['a currency of the past', payment({ currency: 'DEM' }), invalid, 'currency'],
  ['a look-alike letter', payment({ currency: 'ЕUR' }), invalid, 'currency'],

  ['no token', payment({ payment_method_token: undefined }), missing, 'payment_method_token'],
  ['token null', payment({ payment_method_token: null }), missing, 'payment_method_token'],
  ['token as number', payment({ payment_method_token: 4242 }), invalid, 'payment_method_token'],
  ['token of another kind', payment({ payment_method_token: 'tok_visa' }), invalid, 'payment_method_token'],
  ['a token that is only a prefix', payment({ payment_method_token: 'pm_' }), invalid, 'payment_method_token'],
  ['token with a space', payment({ payment_method_token: 'pm_tok visa' }), invalid, 'payment_method_token'],
  ['token with a line end', payment({ payment_method_token: 'pm_tok_visa\n' }), invalid, 'payment_method_token'],
  ['token with a path', payment({ payment_method_token: 'pm_tok/../visa' }), invalid, 'payment_method_token'],
  ['token with an accent', payment({ payment_method_token: 'pm_tok_vísa' }), invalid, 'payment_method_token'],
  ['a token of 256 characters', payment({ payment_method_token: 'pm_'.padEnd(256, 'x') }), invalid, 'payment_method_token'],
  ['a card number in place of a token', payment({ payment_method_token: '4242424242424242' }), invalid, 'payment_method_token'],

  ['capture as text', payment({ capture: 'true' }), invalid, 'capture'],
  ['capture as number', payment({ capture: 1 }), invalid, 'capture'],
  ['capture null', payment({ capture: null }), invalid, 'capture'],
  ['description as number', payment({ description: 7 }), invalid, 'description'],
  ['a description of 501 characters', payment({ description: 'é'.repeat(501) }), invalid, 'description'],
  ['a descriptor of 23 characters', payment({ statement_descriptor: 'x'.repeat(23) }), invalid, 'statement_descriptor'],
  ['an empty descriptor', payment({ statement_descriptor: '' }), invalid, 'statement_descriptor'],
  ['a descriptor with an angle bracket', payment({ statement_descriptor: 'SHOP <1>' }), invalid, 'statement_descriptor'],
  ['a descriptor outside ASCII', payment({ statement_descriptor: 'CAFÉ' }), invalid, 'statement_descriptor'],
  ['return_url that is none', payment({ return_url: 'shop.example' }), invalid, 'return_url'],
  ['return_url that is a script', payment({ return_url: 'javascript:alert(1)' }), invalid, 'return_url'],
  ['return_url with a password', payment({ return_url: 'https://me:secret@shop.example/' }), invalid, 'return_url'],
  ['return_url with a space', payment({ return_url: 'https://shop.example/a b' }), invalid, 'return_url'],
  ['return_url without a host', payment({ return_url: 'https:///path' }), invalid, 'return_url'],
  ['return_url of 2049 characters', payment({ return_url: 'https://shop.example/'.padEnd(2049, 'x') }), invalid, 'return_url'],

  ['metadata as text', payment({ metadata: 'order 1' }), invalid, 'metadata'],
  ['metadata as list', payment({ metadata: ['order'] }), invalid, 'metadata'],
  ['a number in metadata', payment({ metadata: { n: 1 } }), invalid, 'metadata.n'],
  ['null in metadata', payment({ metadata: { n: null } }), invalid, 'metadata.n'],
  ['an object in metadata', payment({ metadata: { n: {} } }), invalid, 'metadata.n'],
  ['51 keys of metadata', payment({ metadata: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, ''])) }), invalid, 'metadata'],
  ['an empty key of metadata', payment({ metadata: { '': 'x' } }), invalid],
  ['a key of metadata of 41 characters', payment({ metadata: { ['k'.repeat(41)]: 'x' } }), invalid],
  ['a value of metadata of 501 characters', payment({ metadata: { n: 'x'.repeat(501) } }), invalid, 'metadata.n'],
  ['a bracket in a key of metadata', payment({ metadata: { 'a[b]': 'x' } }), invalid],

  ['an unknown member', payment({ colour: 'red' }), unknown, 'colour'],
  ['a mistyped member', payment({ amuont: 1 }), unknown, 'amuont'],
  ['a member that only answers have', payment({ amount_captured: 0 }), unknown, 'amount_captured'],
  ['__proto__', '{"amount":1,"currency":"EUR","payment_method_token":"pm_tok_visa","__proto__":{}}', unknown, '__proto__'],
  ['a name in another case', payment({ Amount: 1 }), unknown, 'Amount'],
  ['a card number in the clear', payment({ card: { number: '4242424242424242' } }), unknown, 'card'],
];

// [name, path, body, [status, code], param]; path may name {held} and {captured}
const posts = [
  ['capture as list', '/v1/payments/{held}/capture', '[]', invalid],
  ['capture of text', '/v1/payments/{held}/capture', { amount: 'all' }, invalid, 'amount'],
  ['capture of nothing', '/v1/payments/{held}/capture', { amount: 0 }, invalid, 'amount'],
  ['capture of less than nothing', '/v1/payments/{held}/capture', { amount: -1 }, invalid, 'amount'],
  ['capture of too much', '/v1/payments/{held}/capture', { amount: 9233 }, invalid, 'amount'],
  ['final as text', '/v1/payments/{held}/capture', { final: 'yes' }, invalid, 'final'],
  ['capture in a currency', '/v1/payments/{held}/capture', { currency: 'EUR' }, unknown, 'currency'],
  ['capture with a query', '/v1/payments/{held}/capture?amount=1', {}, unknown, 'amount'],
  ['cancel with a number', '/v1/payments/{held}/cancel', { reason: 1 }, invalid, 'reason'],
  ['cancel with an empty reason', '/v1/payments/{held}/cancel', { reason: '' }, invalid, 'reason'],
  ['cancel with a reason of 201 characters', '/v1/payments/{held}/cancel', { reason: 'x'.repeat(201) }, invalid, 'reason'],
  ['cancel of nothing', '/v1/payments/{held}/cancel', { amount: 0 }, invalid, 'amount'],
  ['cancel of less than nothing', '/v1/payments/{held}/cancel', { amount: -1 }, invalid, 'amount'],
  ['cancel of more than is held', '/v1/payments/{held}/cancel', { amount: 9233 }, invalid, 'amount'],
  ['cancel of half a cent', '/v1/payments/{held}/cancel', { amount: 0.5 }, invalid, 'amount'],
  ['increment without amount', '/v1/payments/{held}/increment', {}, missing, 'amount'],
  ['increment by nothing', '/v1/payments/{held}/increment', { amount: 0 }, invalid, 'amount'],
  ['increment by less than nothing', '/v1/payments/{held}/increment', { amount: -1 }, invalid, 'amount'],
  ['increment by all there is', '/v1/payments/{held}/increment', { amount: 1e15 }, invalid, 'amount'],
  ['increment to another end', '/v1/payments/{held}/increment', { amount: 1, final: true }, unknown, 'final'],
  ['refund of nothing', '/v1/payments/{captured}/refund', { amount: 0 }, invalid, 'amount'],
  ['refund of more than is left', '/v1/payments/{captured}/refund', { amount: 9001 }, invalid, 'amount'],
  ['refund of a fraction', '/v1/payments/{captured}/refund', { amount: 0.5 }, invalid, 'amount'],
  ['refund with bad metadata', '/v1/payments/{captured}/refund', { metadata: { n: 1 } }, invalid, 'metadata.n'],
  ['refund with a currency', '/v1/payments/{captured}/refund', { currency: 'EUR' }, unknown, 'currency'],
  ['refund in half an object', '/v1/payments/{captured}/refund', '{"amount":', notJson],
  ['sync with a member', '/v1/payments/{held}/sync', { now: true }, unknown, 'now'],
  ['capture of no payment', `/v1/payments/pay_${ID}/capture`, {}, [404, 'not_found']],
  ['increment of no payment', `/v1/payments/pay_${ID}/increment`, { amount: 1 }, [404, 'not_found']],
  ['cancel of no payment', `/v1/payments/pay_${ID}/cancel`, {}, [404, 'not_found']],
  ['refund of no payment', `/v1/payments/pay_${ID}/refund`, {}, [404, 'not_found']],
  ['sync of no payment', `/v1/payments/pay_${ID}/sync`, {}, [404, 'not_found']],
  ['capture of a refund', `/v1/payments/rfd_${ID}/capture`, {}, [404, 'not_found']],

  ['an endpoint without url', '/v1/webhook_endpoints', {}, missing, 'url'],
  ['an endpoint at a number', '/v1/webhook_endpoints', { url: 1 }, invalid, 'url'],
  ['an endpoint at a word', '/v1/webhook_endpoints', { url: 'hello' }, invalid, 'url'],
  ['an endpoint by ftp', '/v1/webhook_endpoints', { url: 'ftp://shop.example/' }, invalid, 'url'],
  ['an endpoint with a password', '/v1/webhook_endpoints', { url: 'https://a:b@shop.example/' }, invalid, 'url'],
  ['an endpoint with a fragment', '/v1/webhook_endpoints', { url: 'https://shop.example/#x' }, invalid, 'url'],
  ['an endpoint in disguise', '/v1/webhook_endpoints', { url: 'https://0x7f.1/' }, invalid, 'url'],
  ['an endpoint at port 0', '/v1/webhook_endpoints', { url: 'https://shop.example:0/' }, invalid, 'url'],
  ['an endpoint with a line end', '/v1/webhook_endpoints', { url: 'https://shop.example/\r\nX: y' }, invalid, 'url'],
  ['an endpoint of 2049 characters', '/v1/webhook_endpoints', { url: 'https://shop.example/'.padEnd(2049, 'x') }, invalid, 'url'],
  ['events as text', '/v1/webhook_endpoints', { url: 'https://shop.example/', enabled_events: '*' }, invalid, 'enabled_events'],
  ['no events', '/v1/webhook_endpoints', { url: 'https://shop.example/', enabled_events: [] }, invalid, 'enabled_events'],
  ['an unknown event', '/v1/webhook_endpoints', { url: 'https://shop.example/', enabled_events: ['payment.exploded'] }, invalid, 'enabled_events'],
  ['an event twice', '/v1/webhook_endpoints', { url: 'https://shop.example/', enabled_events: ['*', '*'] }, invalid, 'enabled_events'],
  ['events as numbers', '/v1/webhook_endpoints', { url: 'https://shop.example/', enabled_events: [1] }, invalid],
  ['a secret of one’s own', '/v1/webhook_endpoints', { url: 'https://shop.example/', secret: 'whsec_mine' }, unknown, 'secret'],
  ['enabling no endpoint', `/v1/webhook_endpoints/we_${ID}/enable`, {}, [404, 'not_found']],
  ['disabling no endpoint', `/v1/webhook_endpoints/we_${ID}/disable`, {}, [404, 'not_found']],

  ['an account without connector', '/v1/provider_accounts', { credentials: {} }, missing, 'connector'],
  ['an account without credentials', '/v1/provider_accounts', { connector: 'sandbox' }, missing, 'credentials'],
  ['an account with a token as credentials', '/v1/provider_accounts', { connector: 'sandbox', credentials: 'key' }, invalid, 'credentials'],
  ['an account at an unknown connector', '/v1/provider_accounts', { connector: 'nobody', credentials: {} }, invalid, 'connector'],
  ['an account at a path', '/v1/provider_accounts', { connector: '../sandbox', credentials: {} }, invalid, 'connector'],
  ['an account with an unknown credential', '/v1/provider_accounts', { connector: 'sandbox', credentials: { base_url: 'http://127.0.0.1:1', api_key: 'k', more: 'x' } }, unknown],
  ['an account with a credential missing', '/v1/provider_accounts', { connector: 'sandbox', credentials: { base_url: 'http://127.0.0.1:1' } }, missing],
  ['a negative priority', '/v1/provider_accounts', { connector: 'sandbox', credentials: { base_url: 'http://127.0.0.1:1', api_key: 'k' }, priority: -1 }, invalid, 'priority'],
  ['a priority in words', '/v1/provider_accounts', { connector: 'sandbox', credentials: {}, priority: 'high' }, invalid, 'priority'],
  ['disabling no account', `/v1/provider_accounts/pac_${ID}/disable`, {}, [404, 'not_found']],

  ['a cancel of no refund', `/v1/refunds/rfd_${ID}/cancel`, {}, [404, 'not_found']],
  ['a cancel of a refund with an amount', `/v1/refunds/rfd_${ID}/cancel`, { amount: 1 }, unknown, 'amount'],
  ['evidence for no dispute', `/v1/disputes/dsp_${ID}/evidence`, { receipt: 'x' }, [404, 'not_found']],
  ['evidence of an unknown kind', `/v1/disputes/dsp_${ID}/evidence`, { proof: 'x' }, unknown, 'proof'],
  ['evidence in a number', `/v1/disputes/dsp_${ID}/evidence`, { receipt: 7 }, invalid, 'receipt'],
  ['evidence files that are no list', `/v1/disputes/dsp_${ID}/evidence`, { files: {} }, invalid, 'files'],
  ['an evidence file without content', `/v1/disputes/dsp_${ID}/evidence`,
    { files: [{ purpose: 'other', name: 'a.pdf', content_type: 'application/pdf' }] }, [400, 'parameter_missing'], 'files.0.content'],
  ['submitting to no dispute', `/v1/disputes/dsp_${ID}/submit`, {}, [404, 'not_found']],
  ['submitting with evidence', `/v1/disputes/dsp_${ID}/submit`, { receipt: 'x' }, unknown, 'receipt'],
  ['accepting no dispute', `/v1/disputes/dsp_${ID}/accept`, {}, [404, 'not_found']],
  ['resolving no review', `/v1/reviews/rev_${ID}/resolve`, { resolution: 'accept' }, [404, 'not_found']],
  ['resolving a review by nothing', `/v1/reviews/rev_${ID}/resolve`, {}, [400, 'parameter_missing'], 'resolution'],
  ['resolving a review otherwise', `/v1/reviews/rev_${ID}/resolve`, { resolution: 'burn' }, invalid, 'resolution'],
  ['a review\'s note of nothing', `/v1/reviews/rev_${ID}/resolve`, { resolution: 'accept', note: '' }, invalid, 'note'],

  ['a query on a create', '/v1/payments?dry_run=1', payment(), unknown, 'dry_run'],
  ['an unknown path', '/v1/nothing', {}, [404, 'not_found']],
];

// [path, [status, code], param]
const gets = [
  ['/v1/payments?limit=0', invalid, 'limit'],
  ['/v1/payments?limit=101', invalid, 'limit'],
  ['/v1/payments?limit=-1', invalid, 'limit'],
  ['/v1/payments?limit=ten', invalid, 'limit'],
  ['/v1/payments?limit=1.5', invalid, 'limit'],
  ['/v1/payments?limit=', invalid, 'limit'],
  ['/v1/payments?limit=%2010', invalid, 'limit'],
  ['/v1/payments?limit=99999999999999999999', invalid, 'limit'],
  ['/v1/payments?limit=1&limit=2', invalid, 'limit'],
  ['/v1/payments?starting_after=x', invalid, 'starting_after'],
  [`/v1/payments?starting_after=evt_${ID}`, invalid, 'starting_after'],
  [`/v1/payments?ending_before=pay_${ID}0`, invalid, 'ending_before'],
  [`/v1/payments?starting_after=pay_${ID}&ending_before=pay_${ID}`, invalid, 'ending_before'],
  ['/v1/payments?status=paid', invalid, 'status'],
  ['/v1/payments?status=', invalid, 'status'],
  ['/v1/payments?currency=eur', invalid, 'currency'],
  ['/v1/payments?amount=0', invalid, 'amount'],
  ['/v1/payments?amount=much', invalid, 'amount'],
  ['/v1/payments?created[gte]=yesterday', invalid, 'created[gte]'],
  ['/v1/payments?created[lt]=2026-02-30T00:00:00Z', invalid, 'created[lt]'],
  ['/v1/payments?created=2026-01-01', unknown, 'created'],
  ['/v1/payments?created[eq]=2026-01-01T00:00:00Z', unknown, 'created[eq]'],
  ['/v1/payments?colour=red', unknown, 'colour'],
  ['/v1/payments?status=%zz', invalid, 'status'],
  ['/v1/payments?status=%00', invalid, 'status'],
  ['/v1/payments?status=%ff', invalid, 'status'],
  ['/v1/payments?=1', invalid],
  ['/v1/refunds?payment=order-1', invalid, 'payment'],
  ['/v1/refunds?status=captured', invalid, 'status'],
  [`/v1/refunds?starting_after=pay_${ID}`, invalid, 'starting_after'],
  ['/v1/disputes?status=captured', invalid, 'status'],
  ['/v1/disputes?payment=order-1', invalid, 'payment'],
  ['/v1/disputes?reference=', invalid, 'reference'],
  [`/v1/disputes?starting_after=pay_${ID}`, invalid, 'starting_after'],
  ['/v1/disputes?reason=fraudulent', unknown, 'reason'],
  ['/v1/reviews?status=won', invalid, 'status'],
  ['/v1/reviews?payment=order-1', invalid, 'payment'],
  ['/v1/reviews?kind=1', unknown, 'kind'],
  ['/v1/events?type=payment.exploded', invalid, 'type'],
  ['/v1/events?starting_after=1', invalid, 'starting_after'],
  ['/v1/balances?currency=EUR', unknown, 'currency'],
  [`/v1/payments/pay_${ID}`, [404, 'not_found']],
  [`/v1/payments/pay_${ID}?expand=all`, unknown, 'expand'],
  [`/v1/payments/pay_${ID.slice(1)}`, [404, 'not_found']],
  [`/v1/payments/pay_${ID}0`, [404, 'not_found']],
  [`/v1/payments/${ID}`, [404, 'not_found']],
  [`/v1/payments/pay_${ID.slice(1)}U`, [404, 'not_found']],
  [`/v1/payments/pay_8${ID.slice(1)}`, [404, 'not_found']],
  [`/v1/payments/att_${ID}`, [404, 'not_found']],
  ['/v1/payments/', [404, 'not_found']],
  ['/v1//payments', [404, 'not_found']],
  ['/v1/payments/..', [404, 'not_found']],
  ['/v1/payments/%2e%2e%2fevents', [404, 'not_found']],
  ['/V1/payments', [404, 'not_found']],
  ['/v2/payments', [404, 'not_found']],
  ['/', [404, 'not_found']],
  ['/v1/payments/%zz', [400, 'request_invalid']],
  ['/v1/payments/%00', [400, 'request_invalid']],
  [`/v1/payments/pay_${ID}/attempts`, [404, 'not_found']],
  [`/v1/payments/pay_${ID}/events`, [404, 'not_found']],
  [`/v1/payments/pay_${ID}/explain`, [404, 'not_found']],
  [`/v1/payments/pay_${ID}/journals`, [404, 'not_found']],
  [`/v1/payments/pay_${ID}/secrets`, [404, 'not_found']],
  [`/v1/refunds/rfd_${ID}`, [404, 'not_found']],
  [`/v1/disputes/dsp_${ID}`, [404, 'not_found']],
  [`/v1/disputes/rfd_${ID}`, [404, 'not_found']],
  [`/v1/reviews/rev_${ID}`, [404, 'not_found']],
  [`/v1/events/evt_${ID}`, [404, 'not_found']],
  [`/v1/webhook_endpoints/we_${ID}`, [404, 'not_found']],
  [`/v1/webhook_endpoints/we_${ID}/deliveries`, [404, 'not_found']],
  [`/v1/provider_accounts/pac_${ID}`, [404, 'not_found']],
];

// A body cannot be told apart from its name when it is sent as an object with members that are not there.
const encoded = (body) => (typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));

for (const [name, body, [status, code], param] of create)
  test(`POST /v1/payments with ${name}: ${status} ${code}`, async () => {
    assertProblem(await florin.post('/v1/payments', encoded(body), { idempotencyKey: newKey() }), status, code, { param });
  });

for (const [name, path, body, [status, code], param] of posts)
  test(`${name}: ${status} ${code}`, async () => {
    const target = path.replace('{held}', held).replace('{captured}', captured);
    assertProblem(await florin.post(target, encoded(body), { idempotencyKey: newKey() }), status, code, { param });
  });

for (const [path, [status, code], param] of gets)
  test(`GET ${path}: ${status} ${code}`, async () => {
    assertProblem(await florin.get(path), status, code, { param });
  });

for (const [name, key] of [
  ['empty', ''],
  ['of 256 characters', 'k'.repeat(256)],
  ['with a space', 'two words'],
  ['with an open quote', '"open'],
  ['with text after the quote', '"a"b'],
  ['with a bad escape', '"a\\n"'],
  ['outside ASCII', 'schl\u00fcssel'],
  ['of empty quotes', '""'],
])
  test(`an Idempotency-Key ${name}: 400 header_invalid`, async () => {
    assertProblem(await florin.post('/v1/payments', payment(), { headers: { 'Idempotency-Key': key }, idempotencyKey: null }), 400,
      'header_invalid');
  });

test('all that is wrong is told at once, each with a pointer', async () => {
  const problem = assertProblem(
    await florin.post('/v1/payments', { amount: '1', currency: 'EURO', capture: 'no', metadata: { 'a/b~c': 1 }, colour: 'red' }),
    400, 'parameter_invalid', { param: 'amount' });
  assert.deepEqual(problem.errors.map((e) => e.pointer).sort(),
    ['#/amount', '#/capture', '#/colour', '#/currency', '#/metadata/a~1b~0c'].sort());
  for (const error of problem.errors) assert.ok(error.detail.length > 5);
});

test('a mistyped name is guessed', async () => {
  assert.match((await florin.post('/v1/payments', payment({ curency: 'EUR' }))).json.detail, /currency/);
});

test('a problem never repeats what was sent', async () => {
  const pan = '4242424242424242';
  for (const body of [payment({ payment_method_token: pan }), `{"amount": ${pan}`, `{"amount":1,"x${pan}":"`])
    assert.ok(!(await florin.post('/v1/payments', encoded(body))).text.includes(pan), encoded(body));
});

test('at the end no row was left: payments, refunds, events, journals, endpoints, accounts and book are as before', async () => {
  assert.deepEqual(await rows(), before_);
});

test('there are at least 90 cases', () => {
  assert.ok(create.length + posts.length + gets.length >= 90);
});
