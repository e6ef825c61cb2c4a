import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const RECORDING = join(import.meta.dirname, '../observe/replay/recordings/writer-killed.decode-0.jsonl');

test('the reader of stdout closes it → the command ends without a stack trace', async () => {
  const child = spawn(process.execPath, [MAIN, 'replay', RECORDING, '--list'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  expect({ code, stderr }).toEqual({ code: 141, stderr: '' });
});
