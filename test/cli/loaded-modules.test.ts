import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The source files that Node loads with `file`, through imports and exports that are neither dynamic nor of types only. */
function loadedWith(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const { module } = parseSync(file, readFileSync(path.join(root, file), 'utf8'));
  const imports = module.staticImports.map(({ moduleRequest, entries }) => ({ from: moduleRequest.value, entries }));
  const exports = module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest, isType }) =>
      moduleRequest === null ? [] : [{ from: moduleRequest.value, entries: [{ isType }] }],
    ),
  );
  for (const { from, entries } of [...imports, ...exports]) {
    const isTypesOnly = entries.length > 0 && entries.every(({ isType }) => isType);
    if (isTypesOnly || !from.startsWith('.')) continue;
    loadedWith(sourceOf(path.join(path.dirname(file), from)), found);
  }
  return found;
}

function sourceOf(compiled: string): string {
  const names = ['.ts', '.tsx'].map((ending) => compiled.replace(/\.js$/, ending));
  const name = names.find((candidate) => existsSync(path.join(root, candidate)));
  if (name === undefined) throw new Error(`no source of ${compiled}`);
  return name;
}

test('the program loads what is for tests only when it is asked for', () => {
  const loaded = [...loadedWith('src/cli/program.ts')];
  expect(loaded).toContain('src/cli/agent.ts');
  expect(loaded).toContain('src/actors/agent/agent-actor.ts');
  expect(loaded.filter((file) => file.startsWith('src/proof/'))).toEqual([]);
});

test('faults bring what they need', () => {
  expect([...loadedWith('src/cli/agent-faults.ts')]).toContain('src/proof/faults/faults.ts');
});
