import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { PAGE_STYLE } from '../../../src/observe/inspector/drawing/svg.js';
import { styleSheet } from '../../../src/observe/inspector/server/page-files.js';

const folder = fileURLToPath(new URL('../../../src/observe/inspector/page', import.meta.url));
const index = readFileSync(join(folder, 'style.css'), 'utf8');

test('the style sheet names every style file of the page once, and the drawings', () => {
  const named = [...index.matchAll(/url\("([^"]+)"\)/g)].map(([, file]) => file);
  const present = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.css'));
  expect(named.toSorted()).toEqual([...present.filter((file) => file !== 'style.css'), 'drawing.css'].toSorted());
});

test('the style sheet is served in one piece, each part in its layer', () => {
  const served = styleSheet(folder);
  expect(served).not.toContain('@import');
  expect(served).toContain('@layer tokens, base, drawing, components, preferences;');
  expect(served).toContain(`@layer drawing {\n${PAGE_STYLE}}`);
  expect(served).toContain(`@layer components {\n${readFileSync(join(folder, 'parts/chip.css'), 'utf8')}}`);
});

test('a page that is not built has an empty style sheet', () => {
  expect(styleSheet(join(folder, 'nothing'))).toBe('');
});
