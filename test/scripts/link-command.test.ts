/** After set-up, `kvferry` is a command in node_modules/.bin. */
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { linkCommands } from '../../scripts/setup/link-command.mjs';

/** A checkout whose program is compiled. */
function checkout(): string {
  const root = mkdtempSync(join(tmpdir(), 'kvferry-link-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'node_modules/.bin'), { recursive: true });
  mkdirSync(join(root, 'dist'));
  writeFileSync(join(root, 'package.json'), JSON.stringify({ bin: { kvferry: 'dist/main.js' } }));
  writeFileSync(join(root, 'dist/main.js'), '#!/usr/bin/env node\n', { mode: 0o644 });
  return root;
}

const link = (root: string) => readlinkSync(join(root, 'node_modules/.bin/kvferry'));

test('the command is a link to the compiled program, which can be executed', () => {
  const root = checkout();
  linkCommands(root);
  expect(link(root)).toBe('../../dist/main.js');
  expect(statSync(join(root, 'node_modules/.bin/kvferry')).mode & 0o777).toBe(0o755);
});

test('a second call keeps the link, and replaces one that leads elsewhere', () => {
  const root = checkout();
  linkCommands(root);
  linkCommands(root);
  expect(link(root)).toBe('../../dist/main.js');
  rmSync(join(root, 'node_modules/.bin/kvferry'));
  symlinkSync('../../dist/old.js', join(root, 'node_modules/.bin/kvferry'));
  linkCommands(root);
  expect(link(root)).toBe('../../dist/main.js');
});
