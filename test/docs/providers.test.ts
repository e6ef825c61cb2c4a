/** Texts that list the providers list all of them. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { realProviders } from '../../src/protocol/fields.js';

const providers = realProviders.options.toSorted();

/** The names in backquotes that are providers, in these lines. */
function providersIn(text: string): string[] {
  const named = [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string);
  return [...new Set(named)].filter((name) => providers.some((provider) => provider === name)).sort();
}

test.each(['docs/glossary.md', 'docs/guide/protocol.md'])(
  '%s explains the word provider → with all of them',
  (path) => {
    const row = readFileSync(path, 'utf8')
      .split('\n')
      .find((line) => line.startsWith('| **provider** |'));
    expect(providersIn(row ?? '')).toEqual(providers);
  },
);

test('the table of who can reach what → has a row for every provider', () => {
  const page = readFileSync('docs/operations.md', 'utf8');
  const section = page.slice(page.indexOf('\n## Trust and encryption'), page.indexOf('\n## NATS'));
  const firstCells = section.split('\n').map((line) => /^\| ([^|]+) \|/.exec(line)?.[1] ?? '');
  expect(providersIn(firstCells.join())).toEqual(providers);
});
