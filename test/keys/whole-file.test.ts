/** A file that cannot be written: the refusal says what to do. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { writeWhole } from '../../src/keys/whole-file.js';

test.each([
  ['ENOSPC', 'make room on its disk'],
  ['EDQUOT', 'make room on its disk'],
  ['EROFS', 'give its directory to this user'],
])('the system refuses a file with %s → the remedy fits, and nothing is left', (code, remedy) => {
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-whole-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'ca.pem');
  const refuse = () => {
    throw Object.assign(new Error(code), { code });
  };
  expect(() => writeWhole(path, 'content', 0o600, refuse)).toThrow(
    `the file ${path} cannot be used (${code}): ${remedy}, or name another one`,
  );
  expect(readdirSync(directory)).toEqual([]);
});
