/** The machine and the program versions of a result. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { nativeStatus } from '../../src/native/native-status.js';
import { natsServerEnvironment } from '../../src/processes/nats-server.js';

export interface Machine {
  readonly cpu: string;
  readonly processors: number;
  readonly memoryBytes: number;
  readonly system: string;
}

/** Versions by name of the program. A program that is not installed is left out. */
export type Versions = Readonly<Record<string, string>>;

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    processors: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${type()} ${release().split('-', 1)[0]}`,
  };
}

export function findVersions(packageFile: string): Versions {
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  const { libfabric } = nativeStatus();
  const found: Record<string, string | null> = {
    kvferry: version,
    node: process.versions.node,
    libfabric,
    'nats-server': versionOf('nats-server', ['--version']),
    iperf3: versionOf('iperf3', ['--version']),
    python: versionOf('python3', ['--version']),
  };
  return Object.fromEntries(Object.entries(found).flatMap(([name, text]) => (text === null ? [] : [[name, text]])));
}

function versionOf(command: string, args: readonly string[]): string | null {
  const { stdout } = spawnSync(command, args, { encoding: 'utf8', env: natsServerEnvironment });
  return /\d+\.[\d.]+/.exec(stdout ?? '')?.[0] ?? null;
}
