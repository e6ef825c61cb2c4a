/** Every text can be read on its background, light and dark: WCAG 2.2 level AA demands a contrast of 4.5 to 1. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PAGE_STYLE } from '../../../../src/observe/inspector/drawing/svg.js';

const CONTRAST_MIN = 4.5;
const PAGE = 'src/observe/inspector/page';
const themes = ['light', 'dark'] as const;

interface Colour {
  readonly light: string;
  readonly dark: string;
}

/** The colours of a style sheet by name: `--ink: light-dark(#15191e, #e7ebf0);`. */
function coloursIn(css: string): ReadonlyMap<string, Colour> {
  const found = css.matchAll(/--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)/g);
  return new Map([...found].map(([, name = '', light = '', dark = '']) => [name, { light, dark }]));
}

/** Relative luminance, from 0 for black to 1 for white. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [darker = 0, lighter = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (lighter + 0.05) / (darker + 0.05);
}

const tokens = coloursIn(readFileSync(join(PAGE, 'tokens.css'), 'utf8'));
const drawing = coloursIn(PAGE_STYLE);

const tones = ['quiet', 'wait', 'work', 'good', 'warn', 'bad'];
const toneInks = tones.map((tone) => `${tone}-ink`);
const toneTints = tones.map((tone) => `${tone}-tint`);
/** Backgrounds of whole areas. `accent-tint`: of the selected row, and of the time bar in the past. */
const surfaces = ['paper', 'card', 'sunk', 'raised', 'accent-tint'];

function pairs(texts: readonly string[], backgrounds: readonly string[]): [text: string, background: string][] {
  return texts.flatMap((text) => backgrounds.map((background): [string, string] => [text, background]));
}

test('the formula is that of WCAG', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 6);
  expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
  expect(contrast('#1f7a1f', '#1f7a1f')).toBe(1);
});

describe.each(themes)('%s', (theme) => {
  const tooLow = (texts: ReadonlyMap<string, Colour>, all: [string, string][], backgrounds = texts) =>
    all.flatMap(([text, background]) => {
      const [a, b] = [texts.get(text), backgrounds.get(background)];
      if (a === undefined || b === undefined) return [`${text} on ${background}: no such colour`];
      const value = contrast(a[theme], b[theme]);
      return value >= CONTRAST_MIN ? [] : [`${text} on ${background}: ${value.toFixed(2)}`];
    });

  test('texts can be read on every surface, muted ones too', () => {
    expect(tooLow(tokens, pairs(['ink', 'ink-2', 'ink-3', 'accent', ...toneInks], surfaces))).toEqual([]);
  });

  test('texts can be read on the tints of chips, bars, banners and reasons', () => {
    const own = tones.map((tone): [string, string] => [`${tone}-ink`, `${tone}-tint`]);
    expect(tooLow(tokens, [...own, ...pairs(['ink', 'ink-2'], toneTints)])).toEqual([]);
  });

  test('texts can be read on buttons that are filled', () => {
    expect(tooLow(tokens, pairs(['on-accent'], ['accent', 'bad']))).toEqual([]);
  });

  test('texts in drawings of machines can be read, also in the lit state', () => {
    const texts = ['text', 'event', 'guard', 'after', 'effect', 'change'];
    expect(tooLow(drawing, pairs(texts, ['paper', 'group', 'state', 'final']))).toEqual([]);
    expect(tooLow(drawing, pairs(texts, ['card', 'accent-tint']), tokens)).toEqual([]);
  });
});

test('only what has no text to read is transparent', () => {
  const files = readdirSync(PAGE, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.css'));
  const rules = files.flatMap((name) => [
    ...readFileSync(join(PAGE, name), 'utf8').matchAll(/([^{}]+)\{([^{}]*\bopacity: 0[^{}]*)\}/g),
  ]);
  const transparent = rules
    .filter(([, , body = '']) => /(^|\s)opacity: 0/.test(body))
    .map(([, selector = '']) => selector.replaceAll(/\/\*.*?\*\/|\s+/gs, ' ').trim());
  expect(transparent.sort()).toEqual([
    // WCAG makes an exception of controls that cannot be used.
    '.button:disabled',
    '.card.silent .sparkline, .card.silent canvas',
    '.legend .none svg',
    '.segment input',
  ]);
});
