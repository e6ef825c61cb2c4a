/** The prefill side of an agent: takes `put` from engines and owns the requests that come of it. */
import type { ControlStatus } from '../../ports/control.js';
import type { Body } from '../../protocol/body.js';
import { RequestEndedError, unknownRequest } from '../../protocol/codec.js';
import { invalidField, KvferryError } from '../../protocol/errors.js';
import type { SourceReleasedEvent, TerminalEvent } from '../../protocol/events.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { OperationReply, OperationRequest, PeerRow, PutRequest, RequestRow } from '../../protocol/operations.js';
import type { Heartbeat, PeerReply, PeerRequest } from '../../protocol/peer-messages.js';
import { type End, subjects } from '../../protocol/subjects.js';
import { Tombstones } from '../../store/tombstones.js';
import type { AgentEnv } from '../env/agent-env.js';
import { announceEnd, publishEvent } from '../env/publish-event.js';
import { endedRow } from '../observing/ended-row.js';
import { ReceiverDirectory } from '../peers/receiver-directory.js';
import type { ReceiverPeer } from '../peers/receiver-peer.js';
import { RankLinks } from '../ranks/rank-links.js';
import { RequestActor } from './request-actor.js';
import { SourceMemory } from './source-memory.js';

export class Sender {
  readonly memory: SourceMemory;
  readonly #env: AgentEnv;
  readonly #receivers: ReceiverDirectory;
  readonly #requests = new Map<string, RequestActor>();
  readonly #tombstones: Tombstones;
  /** Ends of ranks that are being reported. */
  readonly #links: RankLinks;
  #accepting = true;
  #onIdle: (() => void) | undefined;

  constructor(env: AgentEnv) {
    this.#env = env;
    this.memory = new SourceMemory(env);
    this.#links = new RankLinks(env);
    const { tombstonesMax, tombstoneMs } = env.options;
    this.#tombstones = new Tombstones({ max: tombstonesMax, keepMs: tombstoneMs });
    this.#receivers = new ReceiverDirectory(env, (peer, failure) => this.#receiverLost(peer, failure));
  }

  // --- public operations --------------------------------------------------------------------------------------------

  async put(put: PutRequest): Promise<{ epoch: string }> {
    this.#refuseWhenDraining();
    const { clock } = this.#env;
    const receivedMs = clock.now();
    // Looked up even for later batches, so that batches that wait for it keep their order. Everything else is decided
    // after the wait (P3).
    const peer = await this.#receivers.find(put.receiver);
    this.#refuseWhenDraining();
    const places = this.memory.places(put.source, put.keys.length);
    const request = this.#requestFor(put, peer);
    const chunks = put.keys.map((key, position) => ({ key, ...(places[position] as (typeof places)[number]) }));
    this.memory.use(places);
    // The time that the look-up took is the request's.
    const actor = request ?? this.#start(put, peer, put.timeoutMs - (clock.now() - receivedMs));
    actor.add({ batch: put.batch, last: put.last, chunks });
    return { epoch: this.#env.epoch };
  }

  /** Undefined when the request is not known here. */
  cancel({ request, epoch }: OperationRequest<'cancel'>): { end?: End } | undefined {
    if (epoch !== undefined && epoch !== this.#env.epoch) return undefined;
    const actor = this.#requests.get(request);
    if (actor !== undefined) {
      actor.cancel({ code: 'cancelled_by_caller', message: `request ${request} was cancelled` });
      return {};
    }
    const tombstone = this.#tombstones.get({ request, epoch: this.#env.epoch });
    return tombstone === undefined ? undefined : { end: tombstone.end };
  }

  stage({ holder, pages }: OperationRequest<'stage'>): Body<OperationReply<'stage'>> {
    this.#refuseWhenDraining();
    return this.memory.stage(holder, pages);
  }

  // --- messages from agents -----------------------------------------------------------------------------------------

  joined({ request, batch }: PeerRequest<'joined'>): void {
    this.#requests.get(request)?.joinResolved(batch);
  }

  ended({ request, end, reason }: PeerRequest<'ended'>): void {
    this.#requests.get(request)?.receiverSaid(end, reason ?? null);
  }

  /** The end that this agent announces itself, if it is to be so. */
  confirm({ request }: PeerRequest<'confirm'>): Body<PeerReply<'confirm'>> {
    if (this.#links.isWaiting({ request, epoch: this.#env.epoch })) return {};
    const actor = this.#requests.get(request);
    const ended = actor?.confirm() ?? this.#tombstones.get({ request, epoch: this.#env.epoch });
    if (ended !== undefined) {
      return ended.reason === undefined ? { end: ended.end } : { end: ended.end, reason: ended.reason };
    }
    if (actor === undefined) throw unknownRequest(request);
    return {};
  }

  async handOver(message: PeerRequest<'handover'>): Promise<Record<string, never>> {
    const { request } = message;
    const actor = this.#requests.get(request);
    if (actor === undefined) {
      const ended = this.#tombstones.get({ request, epoch: this.#env.epoch });
      throw ended === undefined ? unknownRequest(request) : new RequestEndedError(request, ended.end, ended.reason);
    }
    await actor.handOver(message);
    return {};
  }

  heartbeat(beat: Heartbeat): void {
    this.#receivers.heartbeat(beat);
  }

  /** NATS is gone, or there again. */
  lineChanged(status: ControlStatus): void {
    this.#receivers.lineChanged(status);
  }

  // --- life ---------------------------------------------------------------------------------------------------------

  /** No new requests. Batches of requests in progress are still taken. */
  stopAccepting(): void {
    this.#accepting = false;
  }

  cancelAll(failure: Failure): void {
    for (const request of [...this.#requests.values()]) request.cancel(failure);
  }

  /** Resolves when no request is in progress. */
  idle(): Promise<void> {
    if (this.#requests.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  sweep(nowMs: number): void {
    this.#tombstones.prune(nowMs);
  }

  async close(): Promise<void> {
    this.#links.close();
    await this.#receivers.close();
  }

  rows(request: string | undefined): RequestRow[] {
    const live = [...this.#requests.values()].filter((row) => request === undefined || row.task.request === request);
    if (request === undefined || live.length > 0) return live.map((actor) => actor.row());
    const holder = { request, epoch: this.#env.epoch };
    const tombstone = this.#tombstones.get(holder);
    return tombstone === undefined ? [] : [endedRow(this.#env.clock, 'sender', holder, tombstone)];
  }

  peerRows(): PeerRow[] {
    return this.#receivers.rows();
  }

  // ------------------------------------------------------------------------------------------------------------------

  #refuseWhenDraining(): void {
    if (this.#accepting) return;
    const { agent } = this.#env.options;
    throw new KvferryError('agent_draining', `agent ${agent} is stopping and takes no new work`);
  }

  /** The request this batch belongs to, or undefined when it is the first. Throws when the batch does not fit. */
  #requestFor(put: PutRequest, peer: ReceiverPeer): RequestActor | undefined {
    const tombstone = this.#tombstones.get({ request: put.request, epoch: this.#env.epoch });
    if (tombstone !== undefined) throw new RequestEndedError(put.request, tombstone.end, tombstone.reason);
    const request = this.#requests.get(put.request);
    if (request !== undefined && put.batch < request.batchesIn) {
      throw new KvferryError('duplicate_batch', `batch ${put.batch} of ${put.request} was put before`, {
        field: 'batch',
      });
    }
    const next = request?.batchesIn ?? 0;
    if (put.batch !== next) {
      throw new KvferryError('batch_out_of_order', `batch ${next} of ${put.request} comes next`, { field: 'batch' });
    }
    if (request !== undefined) {
      if (request.lastIn) throw invalidField('batch', `the last batch of ${put.request} was ${next - 1}`);
      if (request.task.peer.agent !== put.receiver) throw invalidField('receiver', `it was ${request.task.peer.agent}`);
      if (request.task.totalChunks !== put.totalChunks)
        throw invalidField('totalChunks', `it was ${request.task.totalChunks}`);
      if (JSON.stringify(request.task.ranks) !== JSON.stringify(put.ranks))
        throw invalidField('ranks', 'they were others');
      if (!request.isOpen) {
        throw new KvferryError('request_active', `request ${put.request} is being given up`, { field: 'request' });
      }
    } else if (this.#requests.size >= this.#env.options.requestsMax) {
      throw new KvferryError('too_many_requests', `${this.#requests.size} requests are in progress`, {
        field: 'request',
      });
    }
    if (put.ranks !== undefined) this.#checkRanks(put.ranks, put.receiver);
    if (put.keys.length === 0 && !put.last) throw invalidField('keys', 'only the last batch may be empty');
    const chunks = (request?.chunksIn ?? 0) + put.keys.length;
    if (chunks > put.totalChunks || (put.last && chunks !== put.totalChunks)) {
      throw invalidField('totalChunks', `the batches have ${chunks} chunks, not ${put.totalChunks}`);
    }
    const tooLong = put.source.findIndex((run) => run.length > peer.arena.pageBytes);
    if (tooLong >= 0) {
      const message = `${put.source[tooLong]?.length} bytes do not fit a page of ${peer.arena.pageBytes}`;
      throw invalidField(`source[${tooLong}].length`, message);
    }
    const seen = new Set<string>();
    for (const [position, key] of put.keys.entries()) {
      if (seen.has(key)) throw invalidField(`keys[${position}]`, 'the key is in the batch twice');
      seen.add(key);
    }
    return request;
  }

  #checkRanks({ rank, members }: Ranks, receiver: string): void {
    const { agent } = this.#env.options;
    const member = members[rank];
    if (member === undefined) throw invalidField('ranks.rank', `there are ${members.length} ranks`);
    const field = `ranks.members[${rank}]`;
    if (member.sender !== agent) throw invalidField(`${field}.sender`, `this is agent ${agent}`);
    if (member.receiver !== receiver) throw invalidField(`${field}.receiver`, `the receiver is ${receiver}`);
    const repeated = members.findIndex(
      ({ sender }, other) => members.findIndex((one) => one.sender === sender) < other,
    );
    if (repeated >= 0) {
      throw invalidField(`ranks.members[${repeated}].sender`, `${members[repeated]?.sender} has another rank already`);
    }
  }

  #start(put: PutRequest, peer: ReceiverPeer, timeLeftMs: number): RequestActor {
    const { request, totalChunks, ranks } = put;
    const actor = new RequestActor(
      this.#env,
      { request, peer, totalChunks, timeoutMs: Math.max(0, Math.round(timeLeftMs)), ranks },
      {
        released: (which, batch, positions) => this.#released(which, batch, positions),
        ended: (which, end, reason) => this.#ended(which, end, reason),
        announce: (which, end, reason) => this.#announce(which, end, reason),
      },
    );
    this.#requests.set(request, actor);
    this.#env.counters.add('requests_accepted');
    return actor;
  }

  #released(request: RequestActor, number: number, positions: readonly number[]): void {
    const batch = request.batch(number);
    if (batch === undefined) return;
    this.memory.release(positions.map((position) => batch.chunks[position]).filter((chunk) => chunk !== undefined));
    const event: SourceReleasedEvent = {
      v: PROTOCOL_VERSION,
      request: request.task.request,
      epoch: this.#env.epoch,
      batch: number,
      positions: [...positions],
    };
    publishEvent(this.#env, subjects.sourceReleased(this.#env.options.agent), event);
  }

  #ended(request: RequestActor, end: End, reason: Failure | null): void {
    const name = request.task.request;
    this.#tombstones.add({ request: name, epoch: this.#env.epoch }, end, reason ?? undefined, this.#env.clock.now());
    this.#requests.delete(name);
    this.#env.counters.add(`requests_sent_${end}`);
    const log = { request: name, end, reason, chunks: request.chunksIn, ageMs: Math.round(request.ageMs) };
    if (end === 'ready') this.#env.logger.debug(log, 'request ended');
    else this.#env.logger.warn(log, 'request ended');
    if (this.#requests.size === 0) this.#onIdle?.();
  }

  /**
   * The receiver never heard of the request, or is gone: its end is announced here. Of several ranks, the agent that leads
   * them announces it as long as it is there, and after that the sender of rank 0.
   */
  #announce(request: RequestActor, end: End, reason: Failure | null): void {
    const { ranks, peer } = request.task;
    if (ranks !== undefined && (ranks.rank > 0 || !peer.wasConnected)) this.#reportRank(request, ranks, end, reason);
    else this.#publish(request, end, reason);
  }

  #publish(request: RequestActor, end: End, reason: Failure | null): void {
    const { options, epoch } = this.#env;
    const { ranks } = request.task;
    const event: TerminalEvent = {
      v: PROTOCOL_VERSION,
      request: request.task.request,
      epoch,
      end,
      ...(reason === null ? {} : { reason }),
      sender: options.agent,
      receiver: request.task.peer.agent,
      ...(ranks === undefined ? {} : { ranks: [{ rank: ranks.rank, epoch, ...memberOf(ranks) }] }),
      chunks: request.chunksIn,
      deduplicated: 0,
      joined: 0,
      bytes: 0,
      ageMs: Math.round(request.ageMs),
    };
    announceEnd(this.#env, event);
  }

  #reportRank(request: RequestActor, ranks: Ranks, end: End, reason: Failure | null): void {
    const { request: name } = request.task;
    const holder = { request: name, epoch: this.#env.epoch };
    const { deadlineMs, chunksIn: chunks } = request;
    const task = { holder, ranks, deadlineMs, from: undefined, groups: undefined };
    const link = this.#links.open(task, {
      counts: () => ({ chunks, deduplicated: 0, joined: 0, bytes: 0 }),
      verdict: () => undefined,
      lost: () => {
        if (ranks.rank === 0) this.#publish(request, end, reason);
      },
    });
    link.say(end === 'ready' ? 'failed' : end, reason ?? undefined);
  }

  #receiverLost(peer: ReceiverPeer, failure: Failure): void {
    for (const request of [...this.#requests.values()]) {
      if (request.task.peer === peer) request.receiverLost(failure);
    }
  }
}

function memberOf({ rank, members }: Ranks): Ranks['members'][number] {
  return members[rank] as Ranks['members'][number];
}
