/**
 * A Docker engine of its own. It has no bridge, and namespaces for its mounts and processes, so that it leaves nothing behind. To
 * run containers it also has a network of its own: the firewall of the host stays as it is. Without one it can build, because
 * builds need the network of the host.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CannotSetUp } from '../debian/cannot-set-up.js';
import { removeControlGroups } from './control-groups.js';
import { mustRun, type Outcome, type RunOptions, runProgram } from './run-program.js';

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 90_000;
const POLL_MS = 200;
const LOG_LINES = 8;

/** The engine must not find the containerd of the host. */
const START = `
set -e
if [ -d /run/containerd ]; then mount -t tmpfs tmpfs /run/containerd; fi
if [ "$PRIVATE_NETWORK" = yes ]; then ip link set lo up; fi
exec dockerd "$@"
`;

/** Fetches the URLs in its arguments, one after the other. The status of one that cannot be reached is 0. */
const FETCH = `
const fetched = (url) => fetch(url).then(
  async (response) => ({ status: response.status, body: await response.text() }),
  (error) => ({ status: 0, body: String(error.cause ?? error) }),
);
const answers = [];
(async () => {
  for (const url of process.argv.slice(1)) answers.push(await fetched(url));
  console.log(JSON.stringify(answers));
})();
`;

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export interface EngineOptions {
  /** Keeps images and the cache of builds. */
  readonly dataRoot: string;
  /** Of this run: socket, state, log. */
  readonly directory: string;
  /** Configuration of the client, with the plugins. */
  readonly configuration: string;
  readonly network: 'host' | 'own';
  readonly signal: AbortSignal;
}

export class Engine {
  readonly #options: EngineOptions;
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(options: EngineOptions, child: ChildProcess) {
    this.#options = options;
    this.#process = child;
    this.#ended = new Promise((resolve) => child.once('exit', () => resolve()));
  }

  /** Rejects `CannotSetUp` with the end of its log when it does not start. */
  static async start(options: EngineOptions): Promise<Engine> {
    const { dataRoot, directory, network } = options;
    mkdirSync(dataRoot, { recursive: true });
    const log = openSync(join(directory, 'dockerd.log'), 'a');
    const isPrivate = network === 'own';
    const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', ...(isPrivate ? ['--net'] : [])];
    // Builds use the network of the host, so nothing of the host needs to change for them.
    const hostFirewall = isPrivate ? [] : ['--iptables=false', '--ip6tables=false', '--ip-forward=false'];
    const places = [
      ...['--host', socketIn(directory)],
      ...['--data-root', dataRoot],
      ...['--exec-root', join(directory, 'exec')],
      ...['--pidfile', join(directory, 'dockerd.pid')],
      ...['--cgroup-parent', `/${basename(directory)}`],
    ];
    // The engine ends with this process, however that ends.
    const command = ['--pdeathsig', 'KILL', 'unshare', ...namespaces, 'sh', '-c', START, 'sh'];
    const child = spawn('setpriv', [...command, ...places, '--bridge', 'none', ...hostFirewall], {
      stdio: ['ignore', log, log],
      env: { ...process.env, PRIVATE_NETWORK: isPrivate ? 'yes' : 'no' },
      // Ctrl-C must not reach it: it is stopped after its containers.
      detached: true,
    });
    closeSync(log);
    const engine = new Engine(options, child);
    await engine.#ready();
    return engine;
  }

  /** The environment of a client of this engine. */
  get environment(): NodeJS.ProcessEnv {
    const { directory, configuration } = this.#options;
    return { ...process.env, DOCKER_HOST: socketIn(directory), DOCKER_CONFIG: configuration };
  }

  /** What a docker command prints. Rejects when it fails. */
  docker(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return mustRun('docker', args, this.#with(options));
  }

  tryDocker(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return runProgram('docker', args, this.#with(options));
  }

  /** Status and body of a URL, as a program in the network of the engine gets them: such as a published port. */
  async get(url: string): Promise<Answer> {
    const [answer] = await this.getAll([url]);
    if (answer === undefined) throw new Error(`no answer for ${url}`);
    return answer;
  }

  async getAll(urls: readonly string[]): Promise<readonly Answer[]> {
    const args = ['--net', '--target', `${this.#pid()}`, process.execPath, '-e', FETCH, ...urls];
    return JSON.parse(await mustRun('nsenter', args, { minutes: 1, signal: this.#options.signal }));
  }

  /** Ends the engine and its containers. Idempotent. */
  async stop(): Promise<void> {
    const pid = this.#pid();
    if (pid !== undefined) process.kill(pid, 'SIGTERM');
    const isOver = await Promise.race([this.#ended.then(() => true), delay(STOP_MS_MAX, false, { ref: false })]);
    if (!isOver) this.#process.kill('SIGKILL');
    await this.#ended;
    const { directory } = this.#options;
    rmSync(join(directory, 'exec'), { recursive: true, force: true });
    removeControlGroups(basename(directory));
  }

  async #ready(): Promise<void> {
    const deadlineMs = performance.now() + START_MS_MAX;
    for (;;) {
      const { status } = await runProgram('docker', ['version', '--format', '{{.Server.Version}}'], this.#with({}));
      if (status === 0) return;
      const isOver = this.#process.exitCode !== null || this.#process.signalCode !== null;
      if (isOver || performance.now() > deadlineMs) {
        await this.stop();
        const log = readFileSync(join(this.#options.directory, 'dockerd.log'), 'utf8').trim().split('\n');
        throw new CannotSetUp(`dockerd did not start: ${log.slice(-LOG_LINES).join(' | ')}`);
      }
      await delay(POLL_MS);
    }
  }

  /** Of dockerd: the child of `unshare`. Undefined when it has ended. */
  #pid(): number | undefined {
    const { pid, exitCode, signalCode } = this.#process;
    if (pid === undefined || exitCode !== null || signalCode !== null) return undefined;
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
    return child || undefined;
  }

  #with(options: RunOptions): RunOptions {
    return { signal: this.#options.signal, ...options, env: { ...this.environment, ...options.env } };
  }
}

function socketIn(directory: string): string {
  return `unix://${join(directory, 'docker.sock')}`;
}
