/** The receiving side of an agent: owns the arena through the store actor, and serves senders and decode engines. */
import type { DeviceMemory } from '../../ports/fabric.js';
import type { Body } from '../../protocol/body.js';
import { RequestEndedError, unknownRequest } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import { KvferryError } from '../../protocol/errors.js';
import { expandLengths, type Failure } from '../../protocol/fields.js';
import { ACQUIRE_KEYS_MAX } from '../../protocol/limits.js';
import { jsonBytes } from '../../protocol/message-room.js';
import type { OperationReply, OperationRequest } from '../../protocol/operations.js';
import type { PeerReply, PeerRequest } from '../../protocol/peer-messages.js';
import type { PeerRow } from '../../protocol/status-rows.js';
import type { End } from '../../protocol/subjects.js';
import { fullKeys, tenantOfName } from '../../protocol/tenants.js';
import type { StoreDescription } from '../../store/description.js';
import { type HolderId, nameOf } from '../../store/holder.js';
import { Store } from '../../store/store.js';
import type { AgentEnv } from '../env/agent-env.js';
import { keySpaceOf } from '../env/key-space.js';
import { requireOwner } from '../peers/require-owner.js';
import { SenderDirectory } from '../peers/sender-directory.js';
import { Groups } from '../ranks/groups.js';
import { RankLinks } from '../ranks/rank-links.js';
import { Allocations } from './allocations.js';
import { Ingests } from './ingests.js';
import { StoreActor } from './store-actor.js';
import { StoreEffects } from './store-effects.js';

export interface StoreInspection {
  readonly store: StoreDescription;
  /** The first invariant that does not hold; undefined: all hold. */
  readonly broken: string | undefined;
}

/** What an answer to `acquire` takes apart from its keys, their pages and the arena: names of fields, `next`. */
const ACQUIRE_FRAME_BYTES = 256;
/** A sender has one `writeDrainTimeoutMs` for its writes to drain, and this many until its report must arrive. */
const DRAINS_MAX = 2;

export class Receiver {
  readonly arenaPath: string;
  readonly #env: AgentEnv;
  readonly #store: StoreActor;
  readonly #ingests: Ingests;
  readonly #senders: SenderDirectory;
  readonly #allocations = new Allocations();
  readonly #groups: Groups;
  readonly #links: RankLinks;
  readonly #effects: StoreEffects;
  /** Of an arena on a device. */
  #memory: DeviceMemory | undefined;
  #accepting = true;

  constructor(env: AgentEnv) {
    this.#env = env;
    const { arena, agent, leaseMs, tombstonesMax, tombstoneMs, requestsMax, retainedMax } = env.options;
    this.arenaPath = `${arena.directory}/kvferry-${agent}-${env.epoch}-arena`;
    const { pages, pageBytes } = arena;
    const limits = { leaseMs, tombstonesMax, tombstoneMs, holdersMax: requestsMax, retainedMax };
    const store = new Store({ pages, pageBytes, ...limits }, (step) => env.journal.store(step));
    this.#store = new StoreActor(store, env.clock, {
      onEffect: (effect) => this.#effects.run(effect),
      onBroken: (invariant) => env.supervisor.invariantBroken(invariant),
    });
    this.#senders = new SenderDirectory(env, {
      granted: (grant, epoch) => this.#store.execute({ type: 'grant', grant, epoch }),
      fenced: (grant) => {
        if (!this.#store.isShut) this.#store.execute({ type: 'fence', grant });
      },
      lost: (epoch, failure) => this.#ingests.senderLost(epoch, failure),
    });
    this.#links = new RankLinks(env);
    this.#groups = new Groups(env, {
      askSender: (holder) => this.#ingests.get(holder)?.askSender(),
      own: {
        admit: (holders) => this.#ingests.admit(holders),
        prepare: (holder) => this.#ingests.prepare(holder),
        verdict: (holder, verdict) => this.#ingests.get(holder)?.told(verdict),
      },
    });
    const parts = { store: this.#store, senders: this.#senders, allocations: this.#allocations };
    this.#ingests = new Ingests(env, { ...parts, groups: this.#groups, links: this.#links });
    this.#effects = new StoreEffects(env, { ...parts, ingests: this.#ingests });
  }

  /** Rejects `arena_unavailable`, or `provider_unavailable` when no provider gives access to the arena. */
  async open(): Promise<void> {
    const { fabric, options } = this.#env;
    const { pages, pageBytes, device } = options.arena;
    const file = { path: this.arenaPath, pages, pageBytes };
    this.#memory = await fabric.createArena(device === undefined ? file : { ...file, device });
    void fabric.arenaLost().then((reason) => this.#env.supervisor.arenaLost(reason));
    if (fabric.endpoints().length > 0) return;
    const reasons = fabric.unavailable().map(({ provider, reason }) => `${provider}: ${reason}`);
    const message = `agent ${options.agent} offers no provider that senders could use: ${reasons.join('; ')}`;
    throw new KvferryError('provider_unavailable', message);
  }

  // --- messages from senders ----------------------------------------------------------------------------------------

  async connect(message: PeerRequest<'connect'>, agent: string): Promise<Body<PeerReply<'connect'>>> {
    const { epoch, heartbeatMs, provider, connection, publicKey } = message;
    const { fabric, options } = this.#env;
    if (!fabric.endpoints().some((offered) => offered.provider === provider)) {
      const refusal = `agent ${options.agent} does not offer ${provider}`;
      throw new KvferryError('provider_unavailable', refusal, { field: 'provider' });
    }
    const sender = this.#senders.connecting({ agent, epoch, heartbeatMs, publicKey });
    return { grant: await sender.grant(provider, connection) };
  }

  async allocate(message: PeerRequest<'allocate'>, from: string): Promise<Body<PeerReply<'allocate'>>> {
    const { request, epoch, batch, last, totalChunks, timeoutMs, grant, ranks } = message;
    const holder: HolderId = { request, epoch };
    this.#heard(holder, from);
    const keys = this.#keysOf(message) ?? [];
    const lengths = expandLengths(message.lengths);
    const known = this.#ingests.get(holder);
    if (known === undefined) this.#refuse(holder, totalChunks);
    const sender = this.#senders.get(epoch);
    if (sender === undefined) {
      throw new KvferryError('stale_grant', `grant ${grant} is unknown or revoked`, { field: 'grant' });
    }
    const ingest = known ?? this.#ingests.add(holder, { sender: sender.agent, totalChunks, timeoutMs, ranks });
    const answer = this.#allocations.add(holder, batch);
    try {
      const held = ranks !== undefined;
      this.#effects.executeFor({ type: 'allocate', holder, grant, batch, last, totalChunks, keys, lengths, held });
    } catch (error) {
      if (known === undefined) this.#ingests.discard(ingest);
      this.#allocations.refuse(holder, batch, error);
    }
    return { ...(await answer), ...this.#endOf(holder) };
  }

  commit(message: PeerRequest<'commit'>, from: string): Body<PeerReply<'commit'>> {
    const { request, epoch, batch, part, pages, generations } = message;
    const holder = { request, epoch };
    this.#heard(holder, from);
    const lengths = expandLengths(message.lengths);
    this.#effects.executeFor({ type: 'commit', holder, batch, part, pages, generations, lengths });
    return this.#endOf(holder);
  }

  /** The answer is the recorded end. It differs from the wish when the request had already ended (P6). */
  async abort(message: PeerRequest<'abort'>, sender: string): Promise<Body<PeerReply<'abort'>>> {
    const { request, epoch, end, reason, totalChunks, ranks } = message;
    const holder: HolderId = { request, epoch };
    this.#heardOwner(holder, sender);
    if (this.#store.view.tombstone(holder) === undefined) {
      const { attemptTimeoutMs: timeoutMs } = this.#env.options;
      const known = this.#ingests.get(holder);
      if (known === undefined) this.#ingests.refuseMore(request);
      const ingest = known ?? this.#ingests.add(holder, { sender, totalChunks, timeoutMs, ranks });
      ingest.abort(end, reason);
      await ingest.decided;
    }
    const { end: held = end, reason: why } = this.#store.view.tombstone(holder) ?? {};
    return defined({ end: held, reason: why });
  }

  drained({ request, epoch }: PeerRequest<'drained'>, from: string): Body<PeerReply<'drained'>> {
    this.#heardOwner({ request, epoch }, from);
    this.#store.execute({ type: 'drained', holder: { request, epoch } });
    return {};
  }

  inquire({ request, epoch, batches }: PeerRequest<'inquire'>, from: string): Body<PeerReply<'inquire'>> {
    const holder: HolderId = { request, epoch };
    this.#heard(holder, from);
    const recorded = this.#store.view.tombstone(holder);
    if (recorded !== undefined) return defined({ end: recorded.end, reason: recorded.reason });
    const ingest = this.#ingests.get(holder);
    if (ingest === undefined) throw unknownRequest(request);
    const stateOf = (batch: number) => this.#store.view.details.batch(nameOf(holder), batch);
    return defined({
      batches: batches?.map((batch) => ({
        batch,
        state: stateOf(batch),
        ...defined({ joinsPending: ingest.joinsPending(batch) }),
      })),
    });
  }

  report(message: PeerRequest<'report'>, from: string): Body<PeerReply<'report'>> {
    return this.#groups.report(message, from);
  }

  admit({ request, epochs }: PeerRequest<'admit'>, from: string): Body<PeerReply<'admit'>> {
    const holders = epochs.map((epoch) => ({ request, epoch }));
    for (const holder of holders) this.#requireLead(holder, from);
    this.#ingests.admit(holders);
    return {};
  }

  prepare({ request, epoch }: PeerRequest<'prepare'>, from: string): Body<PeerReply<'prepare'>> {
    this.#requireLead({ request, epoch }, from);
    this.#ingests.prepare({ request, epoch });
    return {};
  }

  verdict({ request, epoch, end, reason }: PeerRequest<'verdict'>, from: string): Body<PeerReply<'verdict'>> {
    this.#requireLead({ request, epoch }, from);
    this.#ingests.get({ request, epoch })?.told({ end, failure: reason ?? null });
    return {};
  }

  // --- public operations --------------------------------------------------------------------------------------------

  acquire(message: OperationRequest<'acquire'>): Body<OperationReply<'acquire'>> {
    const { request, epoch, from } = message;
    const holder: HolderId = { request, epoch };
    const keys = this.#keysOf(message);
    if (keys !== undefined) this.#ingests.checkReader(holder, keys);
    const frame = { arena: this.description(), leaseMs: this.#env.options.leaseMs };
    const bytesMax = this.#env.control.messageBytesMax - jsonBytes(frame) - ACQUIRE_FRAME_BYTES;
    const command = { type: 'acquire', holder, keys, from, limit: ACQUIRE_KEYS_MAX, bytesMax } as const;
    const { found, missing, next } = this.#store.execute(command);
    return defined({
      ...frame,
      keys: found.map((page) => page.key),
      pages: found.map((page) => page.page),
      generations: found.map((page) => page.generation),
      lengths: found.map((page) => page.length),
      missing: [...missing],
      next,
    });
  }

  release(message: OperationRequest<'release'>): Body<OperationReply<'release'>> {
    const { request, epoch } = message;
    return this.#store.execute({ type: 'release', holder: { request, epoch }, keys: this.#keysOf(message) });
  }

  /** Undefined when no such request is known here. */
  async cancel(message: OperationRequest<'cancel'>): Promise<{ end?: End } | undefined> {
    const { request, epoch } = message;
    const answer = (await this.#ingests.cancel(message)) ?? this.#groups.cancel(request, epoch);
    // A group that this agent leads may be a newer attempt than the ends that the store remembers: it comes first.
    return answer ?? (epoch === undefined ? this.#ingests.lastEnd(request) : undefined);
  }

  // --- for observation ----------------------------------------------------------------------------------------------

  description(): OperationReply<'acquire'>['arena'] {
    const { pageBytes, pages } = this.#env.options.arena;
    const memory = this.#memory;
    const place = memory === undefined ? { path: this.arenaPath } : { cuda: { ...memory, offset: memory.offset ?? 0 } };
    return { ...place, epoch: this.#env.epoch, pageBytes, pages };
  }

  /** The whole store, with its invariants checked. The time this takes grows with the arena. */
  inspectStore(): StoreInspection {
    return { store: this.#store.view.describe(), broken: this.#store.view.brokenInvariant() };
  }

  /** The store, read-only. */
  get store(): StoreActor['view'] {
    return this.#store.view;
  }

  /** The requests that arrive or are ready. */
  get requests(): Pick<Ingests, 'size' | 'countOf' | 'firstRows' | 'rows'> {
    return this.#ingests;
  }

  peerRows(): PeerRow[] {
    return this.#senders.rows();
  }

  // --- life ---------------------------------------------------------------------------------------------------------

  /** Refuses new requests from now on. Those in progress may end, and engines may read their pages. */
  stopAccepting(): void {
    this.#accepting = false;
    this.#groups.stopAccepting();
  }

  cancelAll(failure: Failure): void {
    this.#ingests.endAll(failure);
    this.#groups.cancelAll(failure);
  }

  /** Resolves when nothing arrives, no request holds leases, and every request that this agent leads has its end. */
  async idle(): Promise<void> {
    await this.#groups.idle();
    await this.#ingests.idle();
  }

  /** Resolves when the end of every request that is being given up is recorded and announced. */
  async decided(): Promise<void> {
    await Promise.all([this.#ingests.decided(), this.#groups.idle()]);
  }

  sweep(): void {
    this.#groups.sweep(this.#env.clock.now());
    if (this.#store.isShut) return;
    this.#store.execute({ type: 'expire' });
    this.#store.check();
    this.#fenceOverdue();
  }

  /**
   * Gives up the arena. Every request ends, every remote key is revoked, and no engine gets pages any more. Resolves when
   * no byte can land.
   */
  async fence(failure: Failure): Promise<void> {
    this.stopAccepting();
    this.#store.shut();
    this.cancelAll(failure);
    await this.#senders.loseAll(failure);
  }

  /** Announces and answers nothing any more. */
  close(): void {
    this.#groups.close();
    this.#ingests.close();
    this.#senders.close();
    this.#links.close();
    this.#allocations.close(new KvferryError('closed', `agent ${this.#env.options.agent} has stopped`));
  }

  // ------------------------------------------------------------------------------------------------------------------

  /**
   * A sender that gave up a request must report that its writes have drained, or connect again. When it does neither in
   * time, the receiver revokes its remote key: otherwise the quarantine would last as long as the sender lives.
   */
  #fenceOverdue(): void {
    const { clock, options, counters, logger } = this.#env;
    const sinceMs = clock.now() - DRAINS_MAX * options.writeDrainTimeoutMs;
    for (const grant of this.#store.view.quarantiningSince(sinceMs)) {
      counters.add('quarantines_overdue');
      logger.warn({ grant }, 'drain overdue, revoking remote key');
      this.#senders.fence(grant);
    }
  }

  /** A message of a sender about its request. Throws `not_yours` when the request, or the epoch, is that of another agent. */
  #heard(holder: HolderId, from: string): void {
    const owner = this.#ownerOf(holder);
    if (owner !== undefined) requireOwner(owner, from, `request ${holder.request}`);
    this.#senders.heard(holder.epoch);
  }

  /** As `#heard`, for messages that change what no agent has asked for: without an owner there is nobody who may send them. */
  #heardOwner(holder: HolderId, from: string): void {
    if (this.#ownerOf(holder) === undefined) throw unknownRequest(holder.request, holder.epoch);
    this.#heard(holder, from);
  }

  /** The agent that sends a request. Undefined when no agent has connected under its epoch. */
  #ownerOf(holder: HolderId): string | undefined {
    return this.#senders.ownerOf(holder.epoch) ?? this.#ingests.get(holder)?.task.sender;
  }

  /** Throws `not_yours` unless the agent leads the ranks of the request. */
  #requireLead(holder: HolderId, from: string): void {
    const ingest = this.#ingests.get(holder);
    const { request } = holder;
    if (ingest !== undefined)
      requireOwner(ingest.task.ranks?.members[0]?.receiver, from, `the end of request ${request}`);
  }

  /** The keys that a message names, in the key space of its tenant. */
  #keysOf({ request, keys }: { readonly request: string; readonly keys?: readonly string[] | undefined }) {
    return keys && fullKeys(keySpaceOf(this.#env.options, tenantOfName(request)), keys);
  }

  /** The end of a request, if it is recorded. */
  #endOf(holder: HolderId): { end?: End } {
    return defined({ end: this.#store.view.tombstone(holder)?.end });
  }

  #refuse(holder: HolderId, totalChunks: number): void {
    const recorded = this.#store.view.tombstone(holder);
    if (recorded !== undefined) throw new RequestEndedError(holder.request, recorded.end, recorded.reason);
    if (!this.#accepting) {
      throw new KvferryError(
        'agent_draining',
        `agent ${this.#env.options.agent} is stopping and takes no new requests`,
      );
    }
    this.#ingests.checkQuotas(tenantOfName(holder.request), totalChunks);
  }
}
