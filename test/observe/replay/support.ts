/** Simulated clusters whose agents are recorded, and the replay of their recordings. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { AgentPorts } from '../../../src/actors/agent/agent-actor.js';
import type { AgentOptions } from '../../../src/actors/env/agent-options.js';
import type { Line } from '../../../src/observe/recording/record.js';
import { type RecordedAgent, recordAgent } from '../../../src/observe/recording/record-agent.js';
import { type Findings, Replay } from '../../../src/observe/replay/replay.js';
import { Cluster } from '../../actors/support.js';

export class RecordedCluster extends Cluster {
  /** The recording of the latest life of each agent. */
  readonly lines = new Map<string, Line[]>();
  readonly #recorded = new Map<string, RecordedAgent>();

  protected override decorated(ports: AgentPorts, options: AgentOptions): AgentPorts {
    const lines: Line[] = [];
    const recorded = recordAgent({
      options,
      ports,
      // Each timer of a simulated clock runs in its own macrotask.
      nextTurn: (run) => void ports.clock.setTimeout(run, 0),
      write: (line) => void lines.push(line),
      recordedAt: '2026-01-01T00:00:00.000Z',
    });
    this.lines.set(options.agent, lines);
    this.#recorded.set(options.agent, recorded);
    return recorded.ports;
  }

  /** Stops an agent, and advances time until it has stopped. */
  async end(name: string, agent: { stop(): Promise<void>; readonly ended: Promise<unknown> }): Promise<void> {
    this.#recorded.get(name)?.orderStop(() => void agent.stop());
    await this.settle(agent.ended);
    this.lines.get(name)?.push({ end: 'stopped' });
  }

  /** Writes the recording of an agent to a file and returns its path. */
  file(name: string): string {
    return recordingFile(textOf(this.lines.get(name) ?? []));
  }
}

export function textOf(lines: readonly Line[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** Makes a file that is removed at the end of the test. */
export function recordingFile(text: string): string {
  const path = join(temporaryDirectory(), 'agent.jsonl');
  writeFileSync(path, text);
  return path;
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-replay-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** Replays a whole recording. */
export async function replayed(path: string): Promise<{ replay: Replay; findings: Findings }> {
  const replay = await Replay.open(path);
  await replay.goTo(replay.last);
  return { replay, findings: replay.findings };
}
