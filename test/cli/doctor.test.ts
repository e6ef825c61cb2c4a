import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DoctorWorld, doctorCommand } from '../../src/cli/doctor.js';
import { runProgram } from '../../src/cli/program.js';
import type { Finding } from '../../src/observe/doctor/finding.js';
import { fabric, machine } from '../observe/doctor/support.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';

/** A machine with which all is well. */
const world: DoctorWorld = {
  system: machine({ nodeVersion: process.version }),
  fabric: async () => fabric,
  interrupts: () => ({ signal: new AbortController().signal, dispose: () => undefined }),
};

async function run(args: readonly string[], { columns, env }: { columns?: number; env?: Record<string, string> } = {}) {
  const terminal = new RecordedTerminal(env ?? {}, columns);
  await doctorCommand(terminal, world).parseAsync(['--bind-address', '10.0.0.1', ...args], { from: 'user' });
  const { exitCode, stdout, stderr } = terminal;
  return { exitCode, stdout: stdout.join('\n'), stderr };
}

describe.skipIf(natsServerMissing)(`kvferry doctor ${natsServerMissing ?? ''}`, () => {
  let server: TestNatsServer;
  let gone: TestNatsServer;

  beforeAll(async () => {
    server = await TestNatsServer.start();
    gone = await TestNatsServer.start();
    await gone[Symbol.asyncDispose]();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('succeeds when it finds nothing worse than a warning', async () => {
    const { exitCode, stdout } = await run(['--json', '--nats', server.url, '--provider', 'verbs,tcp']);
    const findings = JSON.parse(stdout) as Finding[];
    expect(exitCode).toBe(0);
    expect(findings.filter(({ severity }) => severity === 'warning').map(({ check }) => check)).toEqual(['providers']);
    expect(findings.filter(({ severity }) => severity === 'problem')).toEqual([]);
    expect(findings.filter(({ group }) => group === 'agents')).toEqual([
      {
        group: 'agents',
        check: 'agents',
        severity: 'note',
        finding: 'no agent answers',
        remedy: 'start one with: kvferry agent',
      },
    ]);
  });

  test('fails without NATS, and still checks this host', async () => {
    const { exitCode, stdout } = await run(['--json'], { env: { KVFERRY_NATS_URL: gone.url } });
    expect(exitCode).toBe(1);
    const findings = JSON.parse(stdout) as Finding[];
    expect(findings.filter(({ severity }) => severity === 'problem')).toEqual([
      {
        group: 'nats',
        check: 'nats',
        severity: 'problem',
        finding: `no connection to NATS at ${gone.url}: connection refused`,
        remedy: `start a server (nats-server), or set its address with --nats or KVFERRY_NATS_URL; tried ${gone.url}`,
      },
    ]);
    expect([...new Set(findings.map(({ group }) => group))]).toEqual([
      'program',
      'fabric',
      'memory',
      'machine',
      'network',
      'nats',
    ]);
  });

  test('every warning and problem has a remedy', async () => {
    const args = ['--json', '--provider', 'verbs', '--bind-address', 'nowhere', '--arena-directory', '/nowhere'];
    const { stdout } = await run(args, { env: { KVFERRY_NATS_URL: gone.url } });
    const bad = (JSON.parse(stdout) as Finding[]).filter(({ severity }) => severity !== 'ok' && severity !== 'note');
    expect(bad.map(({ check }) => check)).toEqual(['providers', 'shared-memory', 'bind-address', 'nats']);
    expect(bad.filter(({ remedy }) => remedy === undefined)).toEqual([]);
  });

  test('uses colours on a screen, unless NO_COLOR is set', async () => {
    const env = { KVFERRY_NATS_URL: gone.url };
    expect((await run([], { env })).stdout).not.toContain('\u001B[');
    expect((await run([], { env, columns: 80 })).stdout).toContain('\u001B[31mPROBLEM\u001B[0m');
    expect((await run([], { env: { ...env, NO_COLOR: '1' }, columns: 80 })).stdout).not.toContain('\u001B[');
  });
});

test.each([
  [['--from', 'p1'], "options '--from' and '--to' need '--probe'"],
  [['--provider', 'pigeon'], 'provider (flag --provider): "pigeon" is not valid'],
])('%j is called wrongly', async (args, message) => {
  const terminal = new RecordedTerminal();
  await runProgram(['doctor', ...args], terminal);
  expect(terminal.exitCode).toBe(2);
  expect(terminal.stderr.join('\n')).toContain(message);
});
