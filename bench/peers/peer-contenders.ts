/** The peers as contenders of the data suite. What does not run here is reported with its reason. */
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { KvferryError } from '../../src/protocol/errors.js';
import type { Contender, WriteTimes } from '../data/contender.js';
import { type Program, startProgram } from '../harness/program.js';
import { Teardown } from '../harness/teardown.js';
import { within } from '../harness/within.js';
import type { NotRun } from '../report.js';
import type { PeerName } from './peer-names.js';
import { pythonOf } from './python-environment.js';

const COMMAND_TIMEOUT_MS = 120_000;

interface Setting {
  readonly peer: PeerName;
  readonly path: 'same-host' | 'tcp';
  readonly environment: Readonly<Record<string, string>>;
}

const UCX_TCP = { UCX_TLS: 'tcp', UCX_NET_DEVICES: 'lo' };
/** Without the second, UCX takes TCP on one host too: NIXL asks it to notice when a peer dies. */
const UCX_SAME_HOST = { UCX_TLS: 'posix,sysv,cma,self', UCX_MM_ERROR_HANDLING: 'y' };

const settings: readonly Setting[] = [
  { peer: 'nixl', path: 'tcp', environment: { ...UCX_TCP, NIXL_LOG_LEVEL: 'ERROR' } },
  { peer: 'nixl', path: 'same-host', environment: { ...UCX_SAME_HOST, NIXL_LOG_LEVEL: 'ERROR' } },
  { peer: 'mooncake', path: 'tcp', environment: { MC_LOG_LEVEL: 'ERROR' } },
];

/** What some cannot do at all. */
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
  return { contenders, notRun };
}

async function startPeer(
  { peer, path, environment }: Setting,
  options: PeerOptions,
  teardown: Teardown,
): Promise<Contender> {
  const { bytes, sources, logDirectory } = options;
  const python = await pythonOf(peer, options);
  const start = (role: 'receiver' | 'sender') =>
    new PeerEndpoint(
      startProgram(
        {
          name: `${peer} ${role}, ${path}`,
          command: python,
          args: [join(sources, 'endpoint.py'), `${peer}_adapter`, role, `${bytes}`],
          env: { ...process.env, ...environment },
          logPath: `${logDirectory}/${peer}-${path}-${role}.log`,
        },
        teardown,
      ),
    );
  const receiver = start('receiver');
  const sender = start('sender');
  const address = await receiver.order('open', {});
  await sender.order('open', {});
  await sender.order('connect', { address });
  const signal = (name: NodeJS.Signals) => {
    for (const endpoint of [receiver, sender]) endpoint.program.process.kill(name);
  };
  signal('SIGSTOP');
  return {
    name: peer,
    path,
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    fill: async (one, round) => void (await sender.order('fill', { ...one, round })),
    write: (one) => sender.order<WriteTimes>('write', one),
    verify: async (one, round) => {
      const { wrongChunks } = await receiver.order<{ wrongChunks: number }>('verify', { ...one, round });
      return wrongChunks;
    },
  };
}

/** Speaks lines of JSON with a Python process. One question at a time. */
class PeerEndpoint {
  readonly program: Program;
  readonly #lines: Interface;

  constructor(program: Program) {
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
