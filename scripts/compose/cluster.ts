/** The cluster of docker-compose.yml on an engine: commands, and questions about it. */
import { join } from 'node:path';
import type { DemoReport } from '../../src/cli/demo/report.js';
import { poll } from '../../src/processes/within.js';
import type { Answer, Engine } from './engine.js';
import { mustRun, type Outcome, type RunOptions } from './run-program.js';

export const PROJECT = 'kvferry-test';
const POLL_MS = 250;
const HEALTH_MS_MAX = 120_000;
const DEMO_MINUTES = 8;

/** Prints what NATS sends first, and what it answers to a program that does not encrypt. */
const PLAIN_CONNECTION = [
  'exec 3<>/dev/tcp/nats/4222',
  'read -r -t 5 info <&3',
  'printf \'CONNECT {"verbose":false}\\r\\nPING\\r\\n\' >&3',
  'read -r -t 5 answer <&3 || answer=closed',
  'printf "%s\\n%s\\n" "$info" "$answer"',
].join('; ');

export interface ClusterOptions {
  readonly engine: Engine;
  /** Root of the repository. */
  readonly root: string;
  /** File that adds to docker-compose.yml what builds need here. */
  readonly override: string;
  readonly variables: Readonly<Record<string, string>>;
}

/** What `docker inspect` says about a container. */
export interface Container {
  readonly Id: string;
  readonly Name: string;
  readonly RestartCount: number;
  readonly Config: { readonly User: string; readonly Hostname: string };
  readonly State: { readonly Pid: number; readonly Health?: { readonly Status: string } };
  readonly HostConfig: {
    readonly CapDrop: readonly string[] | null;
    readonly CapAdd: readonly string[] | null;
    readonly SecurityOpt: readonly string[] | null;
    readonly ReadonlyRootfs: boolean;
    readonly PidsLimit: number | null;
    readonly Memory: number;
    readonly LogConfig: { readonly Config: Readonly<Record<string, string>> };
  };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> };
}

export class Cluster {
  readonly engine: Engine;
  readonly #options: ClusterOptions;

  constructor(options: ClusterOptions) {
    this.engine = options.engine;
    this.#options = options;
  }

  /** `docker compose` with these words. Resolves with what it prints; rejects when it fails. */
  compose(...words: string[]): Promise<string> {
    return this.engine.docker(this.#words(words), this.#settings());
  }

  /** Removes everything, also what profiles started. */
  down(...flags: string[]): Promise<string> {
    return this.compose('--profile', '*', 'down', '--volumes', ...flags);
  }

  /** Runs the load of the profile `demo`. A load that failed has a report too. */
  async demo(...flags: string[]): Promise<DemoReport> {
    const words = this.#words(['--profile', 'demo', 'run', '--rm', '-T', 'demo', '--json', ...flags]);
    const outcome = await this.engine.tryDocker(words, { ...this.#settings(), minutes: DEMO_MINUTES });
    return reportIn(outcome);
  }

  /** Containers of the services; of all services by default. */
  async containers(...services: string[]): Promise<readonly Container[]> {
    const ids = (await this.compose('--profile', '*', 'ps', '--all', '--quiet', ...services))
      .split('\n')
      .filter(Boolean);
    return ids.length === 0 ? [] : JSON.parse(await this.engine.docker(['inspect', ...ids]));
  }

  agents(): Promise<readonly Container[]> {
    return this.containers('prefill', 'decode');
  }

  /** What `kvferry ARGS` prints for an observer. */
  kvferry(...args: string[]): Promise<string> {
    return this.compose('run', '--rm', '-T', 'kvferry', ...args);
  }

  /** Whether NATS asks for TLS, and takes no order from a connection without it. */
  async requiresTls(): Promise<boolean> {
    const said = await this.compose('exec', '-T', 'prefill', 'bash', '-c', PLAIN_CONNECTION);
    const [info = '', answer = ''] = said.split('\n');
    return /"tls_required":\s*true/.test(info) && !answer.startsWith('PONG');
  }

  /** Names of the agents that answer, sorted. */
  async names(): Promise<string[]> {
    const agents = JSON.parse(await this.kvferry('status', '--json', '--limit', '1')) as { agent: string }[];
    return agents.map(({ agent }) => agent).sort();
  }

  /** Kills Node in a container as the system kills a process that takes too much memory. */
  killNode({ Id }: Container): Promise<string> {
    return this.engine.docker(['exec', Id, 'bash', '-c', 'kill -9 $(cat /proc/1/task/1/children)']);
  }

  /** Resolves when all these agents are in that state of health, or with false after two minutes. */
  async becomes(status: 'healthy' | 'unhealthy', services = ['prefill', 'decode']): Promise<boolean> {
    const reached = await poll(
      HEALTH_MS_MAX,
      async () => {
        const states = (await this.containers(...services)).map(({ State }) => State.Health?.Status);
        return states.length > 0 && states.every((state) => state === status) ? true : undefined;
      },
      POLL_MS,
    );
    return reached === true;
  }

  /** What `path` of the metrics address of an agent answers. */
  ask(agent: Container, path: string): Promise<Answer> {
    const [network] = Object.values(agent.NetworkSettings.Networks);
    return this.engine.get(`http://${network?.IPAddress}:9464${path}`);
  }

  /** Resolves when the agent has received `count` requests more than `before`, or with false after two minutes. */
  async hasReceived(agent: Container, count: number): Promise<boolean> {
    const received = await poll(
      HEALTH_MS_MAX,
      async () => ((await this.received(agent)) >= count ? true : undefined),
      POLL_MS,
    );
    return received === true;
  }

  /** Requests that have become ready at this decode agent. */
  async received(agent: Container): Promise<number> {
    const { body } = await this.ask(agent, '/metrics');
    return Number(/^kvferry_requests_ended_total\{.*side="receiver".*end="ready".*\} (\d+)$/m.exec(body)?.[1] ?? 0);
  }

  #words(words: readonly string[]): string[] {
    const files = [join(this.#options.root, 'docker-compose.yml'), this.#options.override];
    return ['compose', '--project-name', PROJECT, ...files.flatMap((file) => ['--file', file]), ...words];
  }

  #settings(): RunOptions {
    return { cwd: this.#options.root, env: { ...this.#options.variables }, minutes: 20 };
  }
}

/** The images that docker-compose.yml names: to build on, and to run. */
export async function namedImages(root: string, configuration: string): Promise<string[]> {
  const env = { ...process.env, DOCKER_CONFIG: configuration };
  const text = await mustRun('docker', ['compose', '--profile', '*', 'config', '--format', 'json'], { cwd: root, env });
  const { services } = JSON.parse(text) as {
    services: Record<string, { image?: string; build?: { args?: { BASE_IMAGE?: string } } }>;
  };
  const names = Object.values(services).map(({ image, build }) => build?.args?.BASE_IMAGE ?? image ?? '');
  return [...new Set(names)].sort();
}

/** The report is the last line. Throws with the errors of a demo that printed none. */
function reportIn({ stdout, stderr, status }: Outcome): DemoReport {
  const last = stdout.trim().split('\n').at(-1) ?? '';
  if (last.startsWith('{')) return JSON.parse(last) as DemoReport;
  throw new Error(
    `the demo printed no report, and ended with status ${status}: ${stderr.trim().split('\n').slice(-8).join(' | ')}`,
  );
}
