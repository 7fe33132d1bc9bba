// What a page may say of how a field looks. Every value is matched whole against a pattern that has no room for url(),
// expressions or further declarations; what does not match is left out.

const COLOR = /^(#[0-9a-f]{3,8}|[a-z]{3,30}|(rgb|hsl)a?\([0-9.,%\s/]{5,50}\))$/i;
const LENGTH = /^(0|[0-9]{1,3}(\.[0-9]{1,3})?(px|em|rem))$/;
const SIGNED = /^(normal|-?[0-9]{1,2}(\.[0-9]{1,3})?(px|em|rem))$/;
const SIZES = /^((0|[0-9]{1,3}(\.[0-9]{1,3})?(px|em|rem))(\s+(?=[0-9])|$)){1,4}$/;

// Option → [CSS property, pattern]. Those with two dashes are used by fields.css.
const PROPERTIES: Readonly<Record<string, readonly [string, RegExp]>> = {
  color: ['color', COLOR],
  backgroundColor: ['background-color', COLOR],
  caretColor: ['caret-color', COLOR],
  placeholderColor: ['--placeholder', COLOR],
  invalidColor: ['--invalid', COLOR],
  focusColor: ['--focus', COLOR],
  fontFamily: ['font-family', /^[a-z0-9 ,'"_-]{1,200}$/i],
  fontSize: ['font-size', /^([0-9]{1,3}(\.[0-9]{1,3})?(px|em|rem|%))$/],
  fontWeight: ['font-weight', /^(normal|bold|[1-9]00)$/],
  fontStyle: ['font-style', /^(normal|italic)$/],
  fontVariantNumeric: ['font-variant-numeric', /^(normal|tabular-nums|lining-nums|slashed-zero)$/],
  letterSpacing: ['letter-spacing', SIGNED],
  lineHeight: ['line-height', /^(normal|[0-9]{1,2}(\.[0-9]{1,3})?(px|em|rem)?)$/],
  textAlign: ['text-align', /^(left|right|center|start|end)$/],
  padding: ['padding', SIZES],
  borderRadius: ['border-radius', LENGTH],
  colorScheme: ['color-scheme', /^(light|dark|light dark|normal)$/],
};

export type Declaration = readonly [property: string, value: string];

export function declarations(style: unknown): Declaration[] {
  if (typeof style !== 'object' || style === null) return [];
  return Object.entries(style).flatMap(([option, value]): Declaration[] => {
    const known = Object.prototype.hasOwnProperty.call(PROPERTIES, option) ? PROPERTIES[option] : undefined;
    const text = typeof value === 'string' ? value.trim() : '';
    return known && known[1].test(text) ? [[known[0], text]] : [];
  });
}

export const STYLE_OPTIONS: readonly string[] = Object.keys(PROPERTIES);
