// Cards that go through the card role, as a browser would send them.
import assert from 'node:assert/strict';
import { send } from './http.mjs';

export const SHOP = 'http://shop.localhost:8080';
const LATER = new Date().getFullYear() + 3;

// A client token: {status, json}. `more` are members of the request.
export const newClientToken = (florin, more = {}) => florin.post('/v1/client_tokens', { purpose: 'payment_method', origin: SHOP, ...more });

// What a browser sends to the card origin with a client token.
export const postCard = (florin, clientToken, card, options = {}) => send('POST', new URL('/v1/cards', florin.card),
  { Authorization: `Bearer ${clientToken}`, 'Content-Type': 'application/json', ...options.headers },
  JSON.stringify({ exp_month: 12, exp_year: LATER, cvc: '123', page_origin: SHOP, ...card }), { timeout: options.timeout, agent: options.agent });

// A payment method for a card number: the merchant's token, then the card. Its id and the vault's token have the same letters.
export async function newCard(florin, number, { token = {}, card = {} } = {}) {
  const made = await newClientToken(florin, token);
  assert.equal(made.status, 200, made.text);
  const saved = await postCard(florin, made.json.client_token, { number, ...card });
  assert.equal(saved.status, 201, saved.text);
  return { ...saved.json, payment_method_token: saved.json.id.replace('pm_', 'pm_tok_') };
}
