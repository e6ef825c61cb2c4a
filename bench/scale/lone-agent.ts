/**
 * One shipped decode agent without a network. Its senders differ only in their epochs. What remains is the cost of the agent
 * itself for a batch: reading messages, machines, store, writing answers.
 */
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { Agent } from '../../src/actors/agent/agent-actor.js';
import { SystemClock } from '../../src/control/system-clock.js';
import { MemoryFabricNetwork } from '../../src/proof/simulation/memory-fabric/network.js';
import { decodeReply } from '../../src/protocol/codec.js';
import { HEARTBEAT_MS_MAX, PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import { type PeerReply, type PeerRequest, peerSchemas } from '../../src/protocol/peer-messages.js';
import { type PeerOperation, subjects } from '../../src/protocol/subjects.js';
import { KeyPair, SECRET_BYTES } from '../../src/sealing/key-pair.js';
import { SealingFabric } from '../../src/sealing/sealing-fabric.js';
import { DirectControl } from './direct-control.js';

const NAME = 'bench-decode';
const EPOCH = '00000000000000ff';
const EPOCH_DIGITS = 16;
/** No sender connects with what it is granted. */
const PUBLIC_KEY = new KeyPair(randomBytes(SECRET_BYTES)).publicKey;
/** Longer than any measurement: no peer is declared dead, and no lease expires. */
const LONG_MS = 600_000;

/** A message of a sender, as it comes from the network. */
export interface PeerMessage {
  readonly subject: string;
  readonly text: string;
}

export class LoneAgent {
  readonly #control = new DirectControl();
  readonly #agent: Agent;
  readonly #grants: string[] = [];
  #requests = 0;

  private constructor(pages: number) {
    const clock = new SystemClock();
    const none = { directory: '/memory', pages: 0, pageBytes: 1 };
    this.#agent = new Agent(
      {
        ...{
          agent: NAME,
          role: 'decode',
          providers: ['memory'],
          encryption: 'off',
          arena: { ...none, pages },
          staging: none,
        },
        heartbeatMs: HEARTBEAT_MS_MAX,
        connectTimeoutMs: LONG_MS,
        attemptTimeoutMs: LONG_MS,
        inquireIntervalMs: LONG_MS,
        writeDrainTimeoutMs: LONG_MS,
        shutdownTimeoutMs: 0,
        leaseMs: LONG_MS,
        retainedMax: 0,
        sweepIntervalMs: LONG_MS,
        tombstoneMs: LONG_MS,
        tombstonesMax: 10_000,
        requestsMax: 100_000,
        segmentsMax: 1024,
        tenantShares: {},
        tenantRequestsMax: 0,
        tenantPagesMax: 0,
        tenantSegmentsMax: 0,
        tenantBytesPerSecond: 0,
        sessionsMax: 256,
        journalEntries: 16_384,
        auditIntervalMs: 0,
        faultsAllowed: false,
      },
      {
        control: this.#control,
        clock,
        fabric: new SealingFabric(new MemoryFabricNetwork(clock).open('memory'), () => randomBytes(SECRET_BYTES)),
        ...{ logger: pino({ level: 'silent' }), newEpoch: () => EPOCH, version: 'bench' },
      },
    );
  }

  /** Starts the agent and connects `senders` senders. */
  static async start(pages: number, senders: number): Promise<LoneAgent> {
    const lone = new LoneAgent(pages);
    await lone.#agent.start();
    for (let sender = 0; sender < senders; sender += 1) await lone.#connect(sender);
    return lone;
  }

  /** Runs one request of one batch, from its allocation to the release of its pages. */
  async batch(keys: readonly string[], sender: number): Promise<void> {
    this.#requests += 1;
    const name = { request: `bench-${this.#requests}`, epoch: epochOf(sender) };
    const lengths = [{ length: 1, count: keys.length }];
    const { allocation } = await this.ask('allocate', this.allocation(name.request, keys, sender));
    const { pages = [], generations = [] } = allocation ?? {};
    await this.ask('commit', { v: PROTOCOL_VERSION, ...name, batch: 0, part: 0, pages, generations, lengths });
    if (!(await this.release(name))) throw new RangeError(`request ${name.request} is not ready`);
  }

  /** Releases the request. False while it is not ready: the agent may complete it in a later turn. */
  async release(name: { readonly request: string; readonly epoch: string }): Promise<boolean> {
    const body = JSON.stringify({ v: PROTOCOL_VERSION, ...name });
    const subject = subjects.operation(NAME, 'default', 'release');
    const answer = await this.#control.deliver(subjects.operations(NAME), subject, body);
    return JSON.parse(answer).ok === true;
  }

  /** The message that asks for the pages of a request of one batch. */
  allocation(request: string, keys: readonly string[], sender: number): PeerRequest<'allocate'> {
    return {
      v: PROTOCOL_VERSION,
      ...{ request, epoch: epochOf(sender), grant: this.#grants[sender] ?? '' },
      ...{ batch: 0, last: true, totalChunks: keys.length, timeoutMs: LONG_MS },
      keys: [...keys],
      lengths: [{ length: 1, count: keys.length }],
    };
  }

  /** Gives a request of the first sender up. */
  async abort(request: string, totalChunks: number): Promise<void> {
    const reason = { code: 'cancelled_by_caller', message: 'the benchmark gave up' } as const;
    const name = { request, epoch: epochOf(0) };
    await this.ask('abort', { v: PROTOCOL_VERSION, ...name, totalChunks, end: 'failed', reason });
  }

  async ask<O extends PeerOperation>(operation: O, body: PeerRequest<O>): Promise<PeerReply<O>> {
    return this.reply(operation, await this.deliver(this.message(operation, body)));
  }

  /** From the sender whose epoch the body has. */
  message<O extends PeerOperation>(operation: O, body: PeerRequest<O>): PeerMessage {
    const { epoch = '' } = body as { readonly epoch?: string };
    return { subject: subjects.peer(NAME, EPOCH, `prefill-${epoch}`, operation), text: JSON.stringify(body) };
  }

  /** Resolves with the answer of the agent. */
  deliver({ subject, text }: PeerMessage): Promise<string> {
    return this.#control.deliver(subjects.peers(NAME, EPOCH), subject, text);
  }

  reply<O extends PeerOperation>(operation: O, answer: string): PeerReply<O> {
    return decodeReply(peerSchemas[operation].reply, answer) as PeerReply<O>;
  }

  /** What metrics read. */
  overview(): ReturnType<Agent['overview']> {
    return this.#agent.overview();
  }

  async stop(): Promise<void> {
    await this.#agent.stop();
  }

  async #connect(sender: number): Promise<void> {
    const { grant } = await this.ask('connect', {
      ...{ v: PROTOCOL_VERSION, epoch: epochOf(sender), heartbeatMs: HEARTBEAT_MS_MAX },
      provider: 'memory',
      connection: 1,
      publicKey: PUBLIC_KEY,
    });
    this.#grants[sender] = grant.id;
  }
}

function epochOf(sender: number): string {
  return (sender + 1).toString(16).padStart(EPOCH_DIGITS, '0');
}
