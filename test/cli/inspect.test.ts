import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { inspectCommand } from '../../src/cli/inspect.js';
import { runProgram } from '../../src/cli/program.js';
import type { ClusterView } from '../../src/observe/inspector/feed.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';

const RECORDING = join(import.meta.dirname, '../observe/replay/recordings/writer-killed.decode-0.jsonl');

/** Runs the command, asks its API for the cluster once that is known, and ends it. */
async function inspect(...args: string[]): Promise<ClusterView> {
  const terminal = new RecordedTerminal();
  let view: unknown;
  const look = async () => {
    const [, url] = /^inspector: (http:\S+)$/.exec(terminal.stdout[0] ?? '') ?? [];
    await vi.waitFor(
      async () => {
        view = await (await fetch(new URL('/api/cluster', url))).json();
        expect((view as ClusterView).source.state).toBe('connected');
      },
      { timeout: 20_000 },
    );
  };
  await inspectCommand(terminal, look).parseAsync(['--listen', '0', ...args], { from: 'user' });
  return view as ClusterView;
}

async function refused(...args: string[]) {
  const terminal = new RecordedTerminal();
  await runProgram(['inspect', ...args], terminal);
  return { exitCode: terminal.exitCode, stderr: terminal.stderr.join('\n') };
}

describe('kvferry inspect', () => {
  test('--recording: shows what an agent has recorded', async () => {
    expect(await inspect('--recording', RECORDING)).toMatchObject({
      source: { kind: 'recording', name: 'writer-killed.decode-0.jsonl', state: 'connected' },
      agents: [{ agent: 'decode-0' }],
    });
  });

  test('says that a recording cannot be read', async () => {
    expect(await refused('--recording', '/nowhere.jsonl')).toEqual({
      exitCode: 2,
      stderr: 'kvferry: recording /nowhere.jsonl: the file does not exist [invalid_configuration]',
    });
  });

  test('refuses what makes no sense together, and addresses that are none', async () => {
    expect(await refused('--recording', 'x', '--nats', 'nats://y')).toMatchObject({ exitCode: 2 });
    expect(await refused('--recording', 'x', '--allow-faults')).toMatchObject({ exitCode: 2 });
    const { exitCode, stderr } = await refused('--listen', 'here');
    expect(exitCode).toBe(2);
    expect(stderr).toContain("'here' is invalid. It must be host:port, or a port of 127.0.0.1.");
  });

  test('says that there is no NATS', async () => {
    const { exitCode, stderr } = await refused('--nats', 'nats://user:secret@127.0.0.1:1');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('[disconnected]');
    expect(stderr).not.toContain('secret');
  });

  test.skipIf(natsServerMissing)('shows a cluster, without the credentials of its NATS server', async () => {
    await using server = await TestNatsServer.start('--user', 'u', '--pass', 'secret');
    const view = await inspect('--nats', server.url.replace('//', '//u:secret@'));
    expect(view).toMatchObject({ source: { kind: 'live', name: server.url.replace('//', '//***@') }, agents: [] });
  });
});
