// Small marks of our own for the brands: a card with the brand's short name. Built node by node, since the page lets no text
// become markup.
import type { Brand } from '../shared/card';

const SVG = 'http://www.w3.org/2000/svg';
const LOOKS: Readonly<Record<string, readonly [short: string, color: string]>> = {
  visa: ['VISA', '#1a3f8b'], mastercard: ['MC', '#8a2f10'], amex: ['AMEX', '#0b5f8a'], diners: ['DC', '#37474f'],
  discover: ['DISC', '#8a4a00'], jcb: ['JCB', '#1b6b3a'], unionpay: ['UP', '#7a1f2b'], maestro: ['MAE', '#5b2a86'], mir: ['MIR', '#14653a'],
};

function node(name: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

export function drawMark(of: Brand): SVGElement {
  const look = LOOKS[of.name];
  const mark = node('svg', { viewBox: '0 0 36 24', width: 36, height: 24, focusable: 'false' });
  if (!look) {
    mark.setAttribute('aria-hidden', 'true');
    mark.append(
      node('rect', { x: 1, y: 1, width: 34, height: 22, rx: 3, fill: 'none', stroke: 'currentColor', 'stroke-opacity': 0.55, 'stroke-width': 1.5 }),
      node('rect', { x: 1, y: 6, width: 34, height: 4, fill: 'currentColor', 'fill-opacity': 0.45 }));
    return mark;
  }
  mark.setAttribute('role', 'img');
  mark.setAttribute('aria-label', of.title);
  const text = node('text', { x: 18, y: 16, 'text-anchor': 'middle', 'font-size': 10.5, 'font-weight': 700, 'font-family': 'system-ui, sans-serif', fill: '#fff' });
  text.textContent = look[0];
  mark.append(node('rect', { x: 0, y: 0, width: 36, height: 24, rx: 3, fill: look[1] }), text);
  return mark;
}
