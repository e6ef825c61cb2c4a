import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runProgram } from '../../src/cli/program.js';
import { packageVersion } from '../../src/cli/version.js';
import { configFields } from '../../src/config/agent-config.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const terminal = new RecordedTerminal(env);
  await runProgram(args, terminal);
  const { exitCode, stdout, stderr } = terminal;
  return { exitCode, stdout: stdout.join('\n'), stderr: stderr.join('\n') };
}

function configFile(content: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'agent.json');
  writeFileSync(path, content);
  return path;
}

describe('kvferry', () => {
  test('knows its version', async () => {
    expect(await run(['--version'])).toEqual({ exitCode: 0, stdout: packageVersion(), stderr: '' });
    expect(packageVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });

  test('--help lists the commands', async () => {
    const { exitCode, stdout } = await run(['--help']);
    expect(exitCode).toBe(0);
    for (const command of ['agent', 'demo', 'status', 'top', 'doctor', 'sim', 'replay', 'fault'])
      expect(stdout).toContain(`  ${command} `);
  });

  test.each([
    [['fly'], "error: unknown command 'fly'"],
    [['agent', '--page-size', '1'], "error: unknown option '--page-size'"],
    [['agent', '--role'], "error: option '--role <value>' argument missing"],
    [['demo', '--requests', 'many'], "'many' is invalid"],
    [['fault', 'a'], "missing required argument 'fault'"],
    [['fault', 'a', 'explode'], "'explode' is invalid"],
    [['fault', 'a', 'stop', '--for', '61s'], "'61s' is invalid"],
    [['fault', 'a', 'stop', '--for', '0'], "'0' is invalid"],
    [['demo', '--share', '1.5'], "'1.5' is invalid"],
    [['demo', '--page-bytes', '3MB'], "'3MB' is invalid"],
    [['demo', '--arena-pages', '31'], "'31' is invalid"],
    [['demo', '--provider', 'pigeon'], 'provider (flag --provider): "pigeon" is not valid'],
    [['demo', '--page-bytes', '1KiB'], 'pageBytes (flag --page-bytes): "1024" is not valid'],
    [['demo', '--agents', 'some'], "'some' is invalid"],
    [['demo', '--agents', 'existing'], "'--agents existing' needs '--nats <url>'"],
  ])('%j is called wrongly', async (args, message) => {
    const { exitCode, stdout, stderr } = await run(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});

describe('kvferry agent --print-config', () => {
  test('lists every setting with its value, source and meaning', async () => {
    const path = configFile('{ "pageBytes": "64KiB", "arenaPages": 16 }');
    const args = ['agent', '--print-config', '--config', path, '--role', 'decode', '--agent-id', 'd1'];
    const { exitCode, stdout, stderr } = await run(args, {
      KVFERRY_ARENA_PAGES: '32',
      KVFERRY_NATS_URL: 'nats://u:p@n',
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    const rows = stdout.split('\n').map((line) => line.split(/ {2,}/));
    expect(rows.map(([name]) => name)).toEqual(['NAME', ...configFields.map(({ name }) => name)]);
    const row = (name: string) => rows.find(([first]) => first === name)?.slice(1, 3);
    expect(row('role')).toEqual(['decode', 'flag --role']);
    expect(row('agentId')).toEqual(['d1', 'flag --agent-id']);
    expect(row('pageBytes')).toEqual(['64KiB', `file ${path}`]);
    expect(row('arenaPages')).toEqual(['32', 'env KVFERRY_ARENA_PAGES']);
    expect(row('natsUrl')).toEqual(['nats://***@n', 'env KVFERRY_NATS_URL']);
    expect(row('leaseMs')).toEqual(['60s', 'default']);
  });

  test.each([
    [[], 'false', 'default'],
    [['--allow-faults'], 'true', 'flag --allow-faults'],
    [['--allow-faults', 'false'], 'false', 'flag --allow-faults'],
    [['--allow-faults', '--role', 'decode'], 'true', 'flag --allow-faults'],
  ])('with %j, faults are allowed: %s', async (flags, value, source) => {
    const { stdout } = await run(['agent', '--print-config', '--json', ...flags]);
    const entries = JSON.parse(stdout) as { name: string }[];
    expect(entries.find(({ name }) => name === 'allowFaults')).toMatchObject({ value, source });
  });

  test('prints the same as JSON', async () => {
    const { stdout } = await run(['agent', '--print-config', '--json'], { KVFERRY_PROVIDER: 'tcp' });
    const entries = JSON.parse(stdout) as { name: string }[];
    expect(entries.map(({ name }) => name)).toEqual(configFields.map(({ name }) => name));
    expect(entries.find(({ name }) => name === 'provider')).toEqual({
      name: 'provider',
      value: 'tcp',
      source: 'env KVFERRY_PROVIDER',
      env: 'KVFERRY_PROVIDER',
      flag: '--provider',
      explanation: expect.any(String),
      range: expect.any(String),
    });
  });

  test('says in one line what is wrong, and in more with --verbose', async () => {
    const args = ['agent', '--print-config', '--heartbeat-ms', 'often'];
    const message =
      'kvferry: heartbeatMs (flag --heartbeat-ms): "often" is not valid; it must be 10ms to 60s [invalid_configuration]';
    expect(await run(args)).toEqual({ exitCode: 2, stdout: '', stderr: message });
    const { stderr } = await run([...args, '--verbose']);
    expect(stderr.split('\n')[0]).toBe(message);
    expect(stderr).toContain('    at ');
    expect(stderr).toContain('caused by ZodError');
  });
});
