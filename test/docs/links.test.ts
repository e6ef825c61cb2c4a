import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { leadsSomewhere, linksOf } from './markdown.js';

const pages = [
  ...readdirSync('.').filter((path) => path.endsWith('.md')),
  'machines/README.md',
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => `docs/${path}`),
];

test.each(pages)('every link of %s leads to a file and a heading', (path) => {
  const links = linksOf(readFileSync(path, 'utf8'));
  expect(links.filter((target) => !leadsSomewhere(path, target))).toEqual([]);
});

describe('a link', () => {
  let folder: string;
  let page: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kvferry-links-'));
    page = join(folder, 'page.md');
    writeFileSync(page, '# A page, with a title\n\n## `code` in it\n\n<a id="p12"></a>\n');
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  test.each([
    ['page.md', true],
    ['other.md', false],
    ['#a-page-with-a-title', true],
    ['page.md#code-in-it', true],
    ['page.md#p12', true],
    ['page.md#p13', false],
  ])('%s → %s', (target, expected) => {
    expect(leadsSomewhere(page, target)).toBe(expected);
  });

  test('code, and links to other sites → not looked at', () => {
    expect(linksOf('[a](b.md) `[c](d.md)` [e](https://example.com)\n```\n[f](g.md)\n```\n')).toEqual(['b.md']);
  });
});
