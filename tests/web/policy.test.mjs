// Headers of all that browsers get, and what Google's evaluator has to say about the policies.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createRequire } from 'node:module';
import { startWorld } from './support.mjs';

const require = createRequire(import.meta.url);
const { CspEvaluator } = require('csp_evaluator');
const { CspParser } = require('csp_evaluator/dist/parser.js');

let world;
before(async () => { world = await startWorld(); });
after(() => world?.stop());

const get = (url, headers = {}) => fetch(url, { headers });
const field = () => get(`${world.card}/fields/number?o=https://shop.example&g=x&l=en`);
const checkout = () => get(world.pub.addCheckout({}).url);
const demo = async () => get((await world.demo()).url);

for (const [name, page] of [['fields', field], ['checkout', checkout], ['the demo shop', demo]]) {
  test(`${name}: no high finding`, async () => {
    const policy = (await page()).headers.get('content-security-policy');
    const findings = new CspEvaluator(new CspParser(policy).csp).evaluate();
    assert.deepEqual(findings.filter((one) => one.severity <= 20).map((one) => `${one.directive}: ${one.description}`), [], policy);
    assert.match(policy, /^default-src 'none'; script-src 'nonce-[^']{24}' 'strict-dynamic'; /);
    assert.match(policy, /require-trusted-types-for 'script'/);
    assert.doesNotMatch(policy, /unsafe/);
  });
}

test('the evaluator finds what is wrong (control)', () => {
  const findings = new CspEvaluator(new CspParser("script-src 'unsafe-inline' *").csp).evaluate();
  assert.ok(findings.some((one) => one.severity <= 20));
});

test('a field: its headers', async () => {
  const { headers } = await field(), other = await field();
  assert.match(headers.get('content-security-policy'), /frame-ancestors https:\/\/shop\.example$/);
  assert.notEqual(headers.get('content-security-policy'), other.headers.get('content-security-policy'), 'each time another nonce');
  const expected = { 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff', 'cross-origin-embedder-policy': 'require-corp', 'cross-origin-resource-policy': 'cross-origin', 'reporting-endpoints': 'pages="/reports"', 'origin-agent-cluster': '?1' };
  for (const [name, value] of Object.entries(expected)) assert.equal(headers.get(name), value, name);
  assert.match(headers.get('permissions-policy'), /payment=\(\).*publickey-credentials-get=\(\)/);
  assert.equal(headers.get('access-control-allow-origin'), null);
});

test('the checkout page: its headers', async () => {
  const { headers } = await checkout();
  assert.match(headers.get('content-security-policy'), /frame-ancestors 'none'/);
  assert.equal(headers.get('x-frame-options'), 'DENY');
  assert.equal(headers.get('cache-control'), 'no-store');
});

for (const [name, page] of [['fields', field], ['checkout', checkout]]) {
  test(`${name}: every script has a nonce, and an integrity that is true`, async () => {
    const answer = await page(), html = await answer.text();
    const nonce = answer.headers.get('content-security-policy').match(/'nonce-([^']+)'/)[1];
    const scripts = [...html.matchAll(/<script(?! type="application\/json")([^>]*)>/g)].map(([, attributes]) => attributes);
    assert.ok(scripts.length > 0);
    for (const attributes of scripts) {
      const [, src] = attributes.match(/ src="([^"]+)"/), [, integrity] = attributes.match(/ integrity="([^"]+)"/);
      assert.ok(attributes.includes(`nonce="${nonce}"`));
      const script = await get(new URL(src, answer.url).href);
      assert.equal(integrity, `sha384-${createHash('sha384').update(Buffer.from(await script.arrayBuffer())).digest('base64')}`);
      assert.equal(script.headers.get('cache-control'), 'public, max-age=31536000, immutable', 'by its version it is kept');
    }
    for (const [, attributes] of html.matchAll(/<style([^>]*)>/g)) assert.ok(attributes.includes(`nonce="${nonce}"`));
    assert.doesNotMatch(html, / on\w+="| style="/);
  });
}

test('florin.js is for every page, by its version for good', async () => {
  const config = await (await get(`${world.card}/config.json`)).json();
  assert.equal(config.public_url, world.pub.url);
  const script = await get(config.script);
  assert.equal(script.headers.get('access-control-allow-origin'), '*');
  assert.equal(script.headers.get('cross-origin-resource-policy'), 'cross-origin');
  assert.equal(script.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  assert.equal(config.integrity, `sha384-${createHash('sha384').update(Buffer.from(await script.arrayBuffer())).digest('base64')}`);
  assert.equal((await get(`${world.card}/florin.js`)).headers.get('cache-control'), 'public, max-age=300');
  assert.equal((await get(`${world.card}/florin.js?v=0123456789abcdef`)).headers.get('cache-control'), 'no-store', 'under the version of another');
  assert.match(await (await get(`${world.card}/florin.d.ts`)).text(), /declare function Florin/);
  assert.equal((await get(`${world.card}/fields/fields.js`)).headers.get('access-control-allow-origin'), null);
  assert.equal((await get(`${world.card}/fields.html`)).status, 404, 'a shell is no page');
});
