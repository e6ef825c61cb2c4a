/** Where the tests of a module are. They find most mutants, and run in a fraction of the time of all tests. */
const nearTests: readonly (readonly [room: string, folders: readonly string[]])[] = [
  ['src/store/', ['test/store', 'test/actors']],
  ['machines/', ['test/machines', 'test/actors']],
  ['src/actors/', ['test/actors']],
  ['src/control/', ['test/control']],
  ['src/client/', ['test/client']],
];

/** Folders of tests, the nearest first. */
export function testsNear(module: string): readonly string[] {
  const [, folders] = nearTests.find(([room]) => module.startsWith(room)) ?? [];
  if (folders === undefined) throw new Error(`no tests are named for ${module}: add its folder to near-tests.ts`);
  return folders;
}

/** The folders of every module. */
export function everyFolder(): readonly string[] {
  return [...new Set(nearTests.flatMap(([, folders]) => folders))];
}

/** The tests of agents come after those of one room. Otherwise in the order of their names, whatever earlier runs took. */
export function inOrder(files: readonly string[]): string[] {
  const rank = (file: string) => (file.includes('/test/actors/') ? 1 : 0);
  return [...files].sort((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1));
}
