// Runs once before the system tests: compiles the programs in test/ that they start.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';

export function setup() {
  const root = path.resolve(import.meta.dirname, '../..');
  const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', 'test/tsconfig.json'], { cwd: root, stdio: 'inherit' });
}
