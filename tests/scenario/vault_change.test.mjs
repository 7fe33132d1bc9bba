// Which vault has a database's cards: with another one Florin does not start, so that nobody asks it to forget or to charge what it never had.
import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { FREE_PORTS, asArgs } from '../lib/florin.mjs';
import { newCard, newClientToken, postCard } from '../lib/vault_cards.mjs';
import { FAST, assertOk, data, pay, payment, run, start, waitFor } from './support.mjs';

const florin = await start();
const FLAGS = asArgs(FAST);
const ours = `${florin.dataDir}-vault`, away = `${ours}.away`, other = `${ours}.other`;
after(() => florin.running && florin.stop());

const startOtherwise = (...args) => run(['up', ...florin.place, ...FREE_PORTS, ...args], { timeout: 60000 });
const adopt = (...args) => run(['vault', 'adopt', ...florin.place, ...args]);
const charge = (card) => pay(florin, { payment_method_token: undefined, payment_method: card.id, capture: true });
let card, customer;

test('cards are in the vault that was there first', async () => {
  customer = assertOk(await florin.post('/v1/customers', { name: 'A. Customer' }));
  card = await newCard(florin, '4242424242424242', { token: { customer: customer.id } });
  assert.equal((await charge(card)).status, 'captured');
});

test('with another vault Florin does not start, and says what can be done', async () => {
  await florin.stop();
  renameSync(ours, away);
  const got = await startOtherwise();
  assert.notEqual(got.code, 0);
  assert.match(got.stderr, /The cards of this database are in another vault\. .*florin vault restore.*vault = none.*florin vault adopt/);
  renameSync(ours, other);
});

test('without a vault the rest goes on, and cards stay attached', async () => {
  await florin.restart({ args: [...FLAGS, '--vault', 'none'] });
  assert.equal((await pay(florin, { capture: true })).status, 'captured');
  assert.deepEqual((await data(florin, `/v1/payment_methods?customer=${customer.id}`)).map((m) => m.id), [card.id]);
  await florin.stop();
});

test('when the first one is back, its cards can be charged', async () => {
  renameSync(away, ours);
  await florin.restart({ args: FLAGS });
  assert.equal((await charge(card)).status, 'captured');
  await florin.stop();
});

test('a folder that goes away under a running vault is not replaced by an empty one', async () => {
  await florin.restart({ args: FLAGS });
  renameSync(ours, away);
  await florin.kill9(florin.processes.vault);
  await waitFor(() => florin.log().includes('parent.other_vault'), { message: () => florin.log(2000) });
  const token = (await newClientToken(florin)).json.client_token;
  assert.equal((await postCard(florin, token, { number: '5555555555554444' })).status, 503, 'no card is sealed for nobody');
  rmSync(ours, { recursive: true, force: true });
  renameSync(away, ours);
  await waitFor(async () => (await florin.post('/v1/payments', payment({ payment_method_token: undefined, payment_method: card.id, capture: true }))).json.status === 'captured',
    { timeout: 60000, message: () => florin.log(2000) });
  await florin.stop();
});

test('another takes its place only when an operator says so', async () => {
  renameSync(ours, away);
  renameSync(other, ours);
  const asked = await adopt();
  assert.equal(asked.code, 1);
  assert.match(asked.stderr, /are in another vault\. With --yes this one takes its place/);
  assert.notEqual((await startOtherwise()).code, 0, 'asking changed nothing');
  const done = await adopt('--yes');
  assert.equal(done.code, 0, done.stderr);
  const again = await adopt('--yes', '--json');
  assert.deepEqual([again.code, JSON.parse(again.stdout)], [0, { changed: false }], again.stderr);
  await florin.start();
  assert.equal((await charge(await newCard(florin, '4242424242424242'))).status, 'captured');
  const record = await run(['vault', 'audit', ...florin.place, '--json']);
  assert.equal(record.stdout.match(/"adopted"/g)?.length, 1, 'what changed nothing is not in the record');
  await florin.stop();
  rmSync(ours, { recursive: true });
  renameSync(away, ours);
  assert.notEqual((await startOtherwise()).code, 0, 'now the first one is another');
});
