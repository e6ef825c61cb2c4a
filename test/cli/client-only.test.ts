import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

test('a package that was installed for its client → a command names the remedy', () => {
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-client-only-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  cpSync(join(dist, 'src'), join(directory, 'dist/src'), { recursive: true });
  cpSync(join(dist, 'machines'), join(directory, 'dist/machines'), { recursive: true });
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module', version: '0.0.0' }));
  const { status, stderr } = spawnSync(process.execPath, [join(directory, 'dist/src/cli/main.js'), '--help'], {
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^kvferry: Cannot find package '[^']+' .*; install kvferry without --omit=optional to use its commands\n$/,
  );
});
