/** Links lead somewhere, and files that a page names are there. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { anchors, localLinks, namedPaths, pages } from './pages.js';

const all = pages();
const links = all.flatMap((page) => localLinks(page).map((link) => ({ page: page.path, link })));
/** What only a build or an installation makes. */
const MADE = /^(build|node_modules)\//;

test('every link and picture leads to a file of the repository', () => {
  expect(links.filter(({ link }) => !existsSync(link.split('#')[0] as string))).toEqual([]);
});

test('every anchor is a heading of the page that it leads to', () => {
  const anchorsOf = new Map(all.map(({ path, text }) => [path, anchors(text)]));
  const isDead = ({ link }: { link: string }) => {
    const [file, anchor] = link.split('#') as [string, string?];
    return anchor !== undefined && file.endsWith('.md') && anchorsOf.get(file)?.has(anchor) !== true;
  };
  expect(links.filter(isDead)).toEqual([]);
});

test('every file and folder that a page names is there', () => {
  const named = all.flatMap(({ path: page, text }) => namedPaths(text).map((path) => ({ page, path })));
  expect(named.filter(({ path }) => !MADE.test(path) && !existsSync(path))).toEqual([]);
});

test('headings become anchors as GitHub makes them', () => {
  expect([...anchors('# A `b` (c)\n## The [x](y) — z\n### A b c\n')]).toEqual(['a-b-c', 'the-x--z', 'a-b-c-1']);
});
