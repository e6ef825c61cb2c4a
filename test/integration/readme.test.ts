/** What README.md shows works when it is pasted: its agents start, and its example prints what the page says. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { missing, providerMissing } from './support.js';

const run = promisify(execFile);
const README = readFileSync('README.md', 'utf8');
const EXAMPLE = readFileSync('docs/examples/one_request.py', 'utf8');

const pythonMissing = spawnSync('python3', ['--version']).error && 'python3 is not installed';
const why = missing ?? providerMissing('same-host') ?? pythonMissing;

/** The first block in this language after a text. */
function block(language: string, after: string): string {
  const start = README.indexOf(`\n\`\`\`${language}\n`, README.indexOf(after));
  const body = README.indexOf('\n', start + 1) + 1;
  return README.slice(body, README.indexOf('\n```', body));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** As a fresh clone after `npm run setup`, in which log files may be written. */
function checkout(): string {
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-readme-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const name of ['node_modules', 'docs']) symlinkSync(resolve(name), join(directory, name));
  return directory;
}

/** Numbers that differ from run to run. */
function general(output: string): string {
  return output.replaceAll(/prompt-\d+/g, 'prompt-N').replaceAll(/\d+ ms/g, 'N ms');
}

test('the code that README.md shows is in the example, line by line', () => {
  const inExample = EXAMPLE.split('\n').map((line) => line.trim());
  const lines = block('python', '# kvferry').split('\n');
  const shown = lines.map((line) => line.trim()).filter((line) => line !== '');
  expect(shown.filter((line) => !inExample.includes(line))).toEqual([]);
});

describe.skipIf(why)(`README.md ${why ?? ''}`, () => {
  test('the pasted block starts its agents, and the example prints what the page says', async () => {
    const port = await freePort();
    const agents = block('sh', '## Running agents')
      .replace('npm run setup\n', '')
      .replace('nats-server ', `nats-server -p ${port} `);
    const directory = checkout();
    const script = [
      'trap "kill %1 %2 %3; wait" EXIT',
      agents.replace(/^kvferry status.*$/m, '$& > status.txt || exit 1'),
      'python3 docs/examples/one_request.py',
    ].join('\n');
    const python = resolve('test/integration/python');
    const env = {
      ...process.env,
      KVFERRY_NATS_URL: `nats://127.0.0.1:${port}`,
      KVFERRY_SOCKET_DIRECTORY: directory,
      PYTHONPATH: python,
      PYTHONDONTWRITEBYTECODE: '1',
    };
    const { stdout } = await run('bash', ['-c', script], { cwd: directory, env });
    expect(general(stdout.trim())).toBe(general(block('text', '```python')));
    const status = readFileSync(join(directory, 'status.txt'), 'utf8');
    expect(status.split('\n').map((line) => line.split(/ +/).slice(0, 2))).toEqual([
      ['AGENT', 'ROLE'],
      ['decode-0', 'decode'],
      ['prefill-0', 'prefill'],
      [''],
    ]);
  });
});
