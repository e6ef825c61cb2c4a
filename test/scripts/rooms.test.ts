import { describe, expect, test } from 'vitest';
import { complaints } from '../../scripts/lint/check-rooms.mjs';

/** What the check says of these files. */
function check(files: Record<string, string>): string[] {
  return complaints(Object.keys(files), (file: string) => files[file]);
}

describe('rooms', () => {
  test('an import of an allowed room passes', () => {
    expect(check({ 'src/store/a.ts': "import { b } from '../protocol/b.js';\nexport const a = b;" })).toEqual([]);
  });

  test.each([
    ['a static import', "import { b } from '../actors/agent/b.js';"],
    ['a type', "import type { B } from '../actors/agent/b.js';"],
    ['a re-export', "export { b } from '../actors/agent/b.js';"],
    ['a re-export of all', "export * from '../actors/agent/b.js';"],
    ['a dynamic import', "await import('../actors/agent/b.js');"],
  ])('%s of a forbidden room is refused', (_, source) => {
    expect(check({ 'src/store/a.ts': source })).toEqual([
      'src/store/a.ts: src/store must not import src/actors/agent/b.ts (the store is pure)',
    ]);
  });

  test('a room inside another has rules of its own', () => {
    expect(check({ 'src/observe/inspector/page/a.ts': "import { b } from '../history/b.js';" })).toEqual([
      'src/observe/inspector/page/a.ts: src/observe/inspector/page must not import src/observe/inspector/history/b.ts (it runs in a browser)',
    ]);
  });

  test('machines may import types of messages, and no more of them', () => {
    expect(check({ 'machines/a.ts': "import type { End } from '../src/protocol/subjects.js';" })).toEqual([]);
    expect(check({ 'machines/a.ts': "import { subjects } from '../src/protocol/subjects.js';" })).toEqual([
      'machines/a.ts: machines must not import more than types of src/protocol/subjects.ts (machines are pure)',
    ]);
  });

  test('a package that is not listed is refused', () => {
    expect(check({ 'src/actors/agent/a.ts': "import { readFileSync } from 'node:fs';" })).toEqual([
      'src/actors/agent/a.ts: src/actors/agent must not import node:fs (actors reach the world through ports only)',
    ]);
  });

  test('a part of the agent may import the parts below it, and no part above it', () => {
    const files = (room: string, other: string) => ({ [`src/actors/${room}/a.ts`]: `import '../${other}/b.js';` });
    expect(check(files('peers', 'env'))).toEqual([]);
    expect(check(files('env', 'peers'))).toEqual([
      'src/actors/env/a.ts: src/actors/env must not import src/actors/peers/b.ts (actors reach the world through ports only, and a part of the agent imports the parts below it)',
    ]);
  });

  test('an exception inside a room is refused', () => {
    expect(check({ 'bench/a.ts': "import { b } from '../src/cli/b.js';" })).toEqual([
      'bench/a.ts: bench must not import src/cli/b.ts (it measures the program from outside)',
    ]);
  });

  test('a loose file is refused, a subfolder is not', () => {
    expect(check({ 'src/actors/a.ts': '', 'src/actors/agent/a.ts': '' })).toEqual([
      'src/actors/a.ts: move it into a subfolder of src/actors',
    ]);
  });
});
