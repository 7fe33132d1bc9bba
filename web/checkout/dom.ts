// Elements made by hand: the page's policy lets no text become markup.

type Child = Node | string | null | undefined | false;
type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

export function h<Name extends keyof HTMLElementTagNameMap>(name: Name, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? '' : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined && child !== false) made.append(child);
  return made;
}

const SVG = 'http://www.w3.org/2000/svg';
const SHAPES = { paid: 'M7 13l4 4 7-9', warning: 'M12 6v8m0 4v.2', wait: 'M12 6v6l4 3', asks: 'M12 6v8m0 4v.2' } as const;

// A line drawing in a circle, beside the heading that says the same in words.
export function sign(shape: keyof typeof SHAPES): SVGElement {
  const svg = document.createElementNS(SVG, 'svg'), circle = document.createElementNS(SVG, 'circle'), path = document.createElementNS(SVG, 'path');
  for (const [key, value] of Object.entries({ viewBox: '0 0 24 24', class: `sign ${shape}`, 'aria-hidden': 'true', fill: 'none', stroke: 'currentColor', 'stroke-width': '2' })) svg.setAttribute(key, value);
  for (const [key, value] of Object.entries({ cx: '12', cy: '12', r: '11' })) circle.setAttribute(key, value);
  path.setAttribute('d', SHAPES[shape]);
  svg.append(circle, path);
  return svg;
}
