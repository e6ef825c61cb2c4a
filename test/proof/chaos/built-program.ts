import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Path of the built program, both when this file runs from its source and when it is compiled. */
export function builtProgram(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return join(directory, 'dist/src/cli/main.js');
}
