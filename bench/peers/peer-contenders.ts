/** The peers as contenders of the data suite. A peer that does not run here is reported with its reason. */
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { type ChildProcess, startChild } from '../../src/processes/child-process.js';
import { Teardown } from '../../src/processes/teardown.js';
import { within } from '../../src/processes/within.js';
import { KvferryError } from '../../src/protocol/errors.js';
import type { Contender, WriteTimes } from '../data/contender.js';
import type { NotRun } from '../suite-result.js';
import { type PeerName, peerNames } from './peer-names.js';
import { pythonOf } from './python-environment.js';

const COMMAND_TIMEOUT_MS = 120_000;

interface Setting {
  readonly peer: PeerName;
  readonly path: 'same-host' | 'tcp';
  readonly environment: Readonly<Record<string, string>>;
  /** The peer works with one chunk size. For another size it is started again. */
  readonly isChunkFixed?: true;
}

const UCX_TCP = { UCX_TLS: 'tcp', UCX_NET_DEVICES: 'lo' };
/** Without `UCX_MM_ERROR_HANDLING`, UCX uses TCP on one host too, because NIXL requires it to detect dead peers. */
const UCX_SAME_HOST = { UCX_TLS: 'posix,sysv,cma,self', UCX_MM_ERROR_HANDLING: 'y' };

const LMCACHE = { NIXL_LOG_LEVEL: 'ERROR', LMCACHE_LOG_LEVEL: 'ERROR', LMCACHE_TRACK_USAGE: 'false' };

const settings: readonly Setting[] = [
  { peer: 'nixl', path: 'tcp', environment: { ...UCX_TCP, NIXL_LOG_LEVEL: 'ERROR' } },
  { peer: 'nixl', path: 'same-host', environment: { ...UCX_SAME_HOST, NIXL_LOG_LEVEL: 'ERROR' } },
  { peer: 'mooncake', path: 'tcp', environment: { MC_LOG_LEVEL: 'ERROR' } },
  { peer: 'lmcache', path: 'tcp', environment: { ...UCX_TCP, ...LMCACHE }, isChunkFixed: true },
  { peer: 'lmcache', path: 'same-host', environment: { ...UCX_SAME_HOST, ...LMCACHE }, isChunkFixed: true },
];

/** Cases that a peer does not support. */
const never: readonly (NotRun & { readonly peer: PeerName })[] = [
  {
    peer: 'mooncake',
    what: 'mooncake, same-host',
    reason: 'the transfer engine of this wheel has no way of its own between processes of one host',
  },
];

export interface PeerOptions {
  readonly peers: readonly PeerName[];
  readonly bytes: number;
  readonly build: string;
  readonly sources: string;
  readonly logDirectory: string;
}

export async function startPeers(
  options: PeerOptions,
  teardown: Teardown,
): Promise<{ readonly contenders: readonly Contender[]; readonly notRun: readonly NotRun[] }> {
  const contenders: Contender[] = [];
  const notRun: NotRun[] = never
    .filter(({ peer }) => options.peers.includes(peer))
    .map(({ what, reason }) => ({ what, reason }));
  for (const setting of settings.filter(({ peer }) => options.peers.includes(peer))) {
    const part = new Teardown();
    teardown.defer(() => part.run(() => undefined));
    try {
      contenders.push(await startPeer(setting, options, part));
    } catch (error) {
      await part.run(() => undefined);
      const reason = error instanceof Error ? error.message : String(error);
      notRun.push({ what: `${setting.peer}, ${setting.path}`, reason });
    }
  }
  for (const peer of peerNames.filter((name) => !options.peers.includes(name))) {
    notRun.push({ what: peer, reason: `it was not asked for: --peers ${peerNames.join(',')}` });
  }
  return { contenders, notRun };
}

async function startPeer(setting: Setting, options: PeerOptions, teardown: Teardown): Promise<Contender> {
  const python = await pythonOf(setting.peer, options, teardown);
  const pair = new PeerPair(setting, options, python, teardown);
  await pair.start(setting.isChunkFixed ? FIRST_CHUNK_BYTES : ANY_CHUNK_BYTES);
  return {
    name: setting.peer,
    path: setting.path,
    pause: () => pair.signal('SIGSTOP'),
    resume: () => pair.signal('SIGCONT'),
    fill: async (one, round) => {
      if (setting.isChunkFixed) await pair.start(one.chunkBytes);
      await pair.sender.order('fill', { ...one, round });
    },
    write: (one) => pair.sender.order<WriteTimes>('write', one),
    verify: async (one, round) => {
      const { wrongChunks } = await pair.receiver.order<{ wrongChunks: number }>('verify', { ...one, round });
      return wrongChunks;
    },
  };
}

const ANY_CHUNK_BYTES = 0;
/** Bytes for the test that the peer runs at all. */
const FIRST_CHUNK_BYTES = 65_536;

/** The two processes of a peer. */
class PeerPair {
  readonly #setting: Setting;
  readonly #options: PeerOptions;
  readonly #python: string;
  readonly #teardown: Teardown;
  #running: { readonly chunkBytes: number; readonly sender: PeerEndpoint; readonly receiver: PeerEndpoint } | undefined;

  constructor(setting: Setting, options: PeerOptions, python: string, teardown: Teardown) {
    this.#setting = setting;
    this.#options = options;
    this.#python = python;
    this.#teardown = teardown;
  }

  get sender(): PeerEndpoint {
    return this.#both().sender;
  }

  get receiver(): PeerEndpoint {
    return this.#both().receiver;
  }

  /** Starts the processes for chunks of that size, unless they already run for it. */
  async start(chunkBytes: number): Promise<void> {
    if (this.#running?.chunkBytes === chunkBytes) return;
    if (this.#running !== undefined) {
      await Promise.all([this.#running.sender, this.#running.receiver].map(({ program }) => program.stop()));
    }
    const receiver = this.#start('receiver', chunkBytes);
    const sender = this.#start('sender', chunkBytes);
    this.#running = { chunkBytes, sender, receiver };
    const address = await receiver.order('open', {});
    await sender.order('open', {});
    await sender.order('connect', { address });
  }

  signal(name: NodeJS.Signals): void {
    for (const { program } of [this.sender, this.receiver]) program.signal(name);
  }

  #start(role: 'receiver' | 'sender', chunkBytes: number): PeerEndpoint {
    const { peer, path, environment } = this.#setting;
    const { bytes, sources, logDirectory } = this.#options;
    const program = startChild(
      {
        name: `${peer} ${role}, ${path}`,
        command: this.#python,
        args: [join(sources, 'endpoint.py'), `${peer}_adapter`, role, `${bytes}`, `${chunkBytes}`],
        env: { ...process.env, ...environment },
        logPath: `${logDirectory}/${peer}-${path}-${role}.log`,
        input: true,
      },
      this.#teardown,
    );
    return new PeerEndpoint(program);
  }

  #both() {
    if (this.#running === undefined) throw new KvferryError('internal', `${this.#setting.peer} is not running`);
    return this.#running;
  }
}

/** Exchanges lines of JSON with a Python process, one question at a time. */
class PeerEndpoint {
  readonly program: ChildProcess;
  readonly #lines: Interface;

  constructor(program: ChildProcess) {
    this.program = program;
    if (program.process.stdout === null) throw new KvferryError('internal', `${program.name} has no output`);
    this.#lines = createInterface({ input: program.process.stdout });
  }

  async order<Answer = unknown>(type: string, command: object): Promise<Answer> {
    const { name } = this.program;
    const answered = once(this.#lines, 'line');
    this.program.process.stdin?.write(`${JSON.stringify({ type, ...command })}\n`);
    const late = `${name} did not ${type} within ${COMMAND_TIMEOUT_MS} ms`;
    const [line] = await within(COMMAND_TIMEOUT_MS, late, Promise.race([answered, this.program.failure()]));
    const reply = JSON.parse(line as string) as { ok: true; answer: Answer } | { ok: false; message: string };
    if (reply.ok) return reply.answer;
    throw new KvferryError('internal', `${name} cannot ${type}: ${reply.message}`);
  }
}
