/** Runs one ingest machine: what arrives for one request, and the announcement of its end. */
import { type Actor, createActor } from 'xstate';
import { type IngestContext, type IngestEffects, type IngestEvent, ingestMachine } from '../../../machines/ingest.js';
import { SILENT_HEARTBEATS_MAX } from '../../../machines/peer.js';
import { toFailure } from '../../protocol/codec.js';
import type { TerminalEvent } from '../../protocol/events.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { RequestRow } from '../../protocol/operations.js';
import type { PeerReply } from '../../protocol/peer-messages.js';
import type { End } from '../../protocol/subjects.js';
import type { HolderId } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import { announceEnd } from '../env/publish-event.js';
import { stateName } from '../observing/state-name.js';
import { callPeer, notifyPeer } from '../peers/peer-call.js';
import type { Groups } from '../ranks/groups.js';
import type { RankLink } from '../ranks/rank-link.js';
import type { RankLinks } from '../ranks/rank-links.js';
import type { Verdict } from '../ranks/verdict.js';
import { Owners, tell } from '../running/owners.js';

export interface IngestTask {
  readonly holder: HolderId;
  /** Name of the sending agent. */
  readonly sender: string;
  readonly totalChunks: number;
  readonly timeoutMs: number;
  /** Our absences up to which the sender cannot have announced an end of it. */
  readonly absences: number;
  /** Which rank it is, when the request has several. */
  readonly ranks: Ranks | undefined;
  readonly links: RankLinks;
  /** When this agent leads the ranks itself. */
  readonly groups: Groups | undefined;
}

export interface IngestListener {
  /** Do heartbeats tell whether the sender lives? */
  senderIsWatched(): boolean;
  /** Nobody can ask the sender any more. */
  senderIsLost(): boolean;
  /** The sender has announced nothing, after so many absences. */
  senderProven(absences: number): void;
  /** The store shall record how it ended. */
  ended(ingest: IngestActor, end: End, reason: Failure | null): void;
  /** Nothing is left of it. */
  gone(ingest: IngestActor): void;
}

const owners = new Owners<IngestActor, IngestEffects>();
const logic = owners.provide(ingestMachine, {
  decide: (owner, { context }) => owner.decide(context),
  reportComplete: (owner) => owner.reportComplete(),
  recordEnd: (owner, { context }) => owner.recordEnd(context),
  announce: (owner, { context }) => owner.announce(context),
  notifyJoined: (owner, _, { batch }) => owner.notifyJoined(batch),
  reportLeasesEnded: (owner, _, { cause }) => owner.reportLeasesEnded(cause),
  reportUnexpected: (owner, { event }) => owner.ignored(event.type),
});

export class IngestActor {
  readonly task: IngestTask;
  readonly #env: AgentEnv;
  readonly #listener: IngestListener;
  readonly #actor: Actor<typeof ingestMachine>;
  readonly #startedMs: number;
  /** To the agent that leads the ranks, when the request has several. */
  readonly #link: RankLink | undefined;
  #announced = false;
  #resolveDecided: () => void = () => undefined;
  /** Resolves when the end is recorded. */
  readonly decided = new Promise<void>((resolve) => {
    this.#resolveDecided = resolve;
  });

  constructor(env: AgentEnv, task: IngestTask, listener: IngestListener) {
    this.task = task;
    this.#env = env;
    this.#listener = listener;
    this.#startedMs = env.clock.now();
    const { holder, sender, totalChunks, timeoutMs, ranks } = task;
    const input = { ...holder, sender, totalChunks, timeoutMs, rank: ranks?.rank ?? null };
    this.#actor = createActor(logic, { id: `ingest ${holder.epoch}/${holder.request}`, input, clock: env.clock });
    this.#actor.subscribe({ complete: () => this.#listener.gone(this) });
    owners.start(this.#actor, this, {
      task: { about: { ...holder, peer: sender }, deadlineMs: this.deadlineMs },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
    this.#link = ranks === undefined ? undefined : this.#openLink(ranks);
    this.#link?.say('running');
  }

  send(event: IngestEvent): void {
    tell(this.#actor, event);
  }

  end(end: 'failed' | 'cancelled' | 'expired', failure: Failure): void {
    this.send({ type: 'ingest.end', end, failure });
  }

  /** The agent that leads the ranks has said how the whole request ended. */
  told(verdict: Verdict): void {
    this.#link?.told(verdict);
  }

  /** When it must have ended, on the agent's clock. */
  get deadlineMs(): number {
    return this.#startedMs + this.task.timeoutMs;
  }

  /** Forgets it without a word: it was refused before anything of it was accepted. */
  discard(): void {
    this.#link?.close();
    this.#actor.stop();
  }

  row(): RequestRow {
    const { value, context } = this.#actor.getSnapshot();
    const state = stateName(value);
    const { request, epoch, batches, chunks, failure, rank } = context;
    // While it asks, the end may still turn out to be another one.
    const end = value === 'deciding' ? null : context.end;
    return {
      request,
      epoch,
      side: 'receiver',
      ...(rank === null ? {} : { rank }),
      state,
      ageMs: this.#ageMs,
      batches,
      chunks,
      ...(end === null ? {} : { end }),
      ...(end === null || failure === null ? {} : { reason: failure }),
    };
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  async decide({ end, failure }: IngestContext): Promise<void> {
    if (this.#link !== undefined) {
      if (this.#link.isOver) tell(this.#actor, { type: 'end.certain' });
      else this.#link.say(end === null || end === 'ready' ? 'complete' : end, failure ?? undefined);
      return;
    }
    // Nothing is waited for when there is nothing to ask: whoever cancels gets the end as the answer.
    const wasAway = this.#env.presence.absences !== this.task.absences;
    const announced = wasAway ? await this.announcedBySender() : undefined;
    tell(this.#actor, announced === undefined ? { type: 'end.certain' } : { type: 'end.announced', ...announced });
  }

  /** The end that the sender has announced while we were away, if it has. */
  async announcedBySender(): Promise<Verdict | undefined> {
    const { presence, counters, logger } = this.#env;
    let certain = this.task.absences;
    if (presence.absences !== certain) counters.add('ends_confirmed');
    // An answer, or none, that came with another absence says nothing: asked again.
    while (presence.absences !== certain) {
      certain = presence.absences;
      try {
        const { end, reason } = await this.#confirm();
        if (end !== undefined) return { end, failure: reason ?? null };
        this.#listener.senderProven(certain);
      } catch (error) {
        const { request, epoch } = this.task.holder;
        logger.info({ request, epoch, code: toFailure(error).code }, 'sender could not confirm the end');
      }
    }
    return undefined;
  }

  reportComplete(): void {
    this.#link?.say('complete');
  }

  recordEnd({ end, failure }: IngestContext): void {
    this.#listener.ended(this, end ?? 'failed', failure);
    this.#resolveDecided();
  }

  announce(context: IngestContext): void {
    // Of several ranks the lead announces the end of all, or, when it is lost, the sender of rank 0 does.
    const isOurs = this.#link === undefined && !context.announcedElsewhere;
    const isNews = this.#link !== undefined || !context.announcedElsewhere;
    this.#announce(context.end ?? 'failed', context.failure, context, { isOurs, isNews });
  }

  notifyJoined(batch: number): void {
    const { holder } = this.task;
    notifyPeer(this.#env, this.#sender, 'joined', { request: holder.request, epoch: holder.epoch, batch });
  }

  reportLeasesEnded(cause: 'released' | 'expired'): void {
    this.#env.counters.add(`leases_${cause}`);
    if (cause === 'expired') {
      const { request, epoch } = this.task.holder;
      this.#env.logger.warn({ request, epoch }, 'leases expired: nobody released or renewed them');
    }
  }

  ignored(event: string): void {
    this.#env.logger.debug({ request: this.task.holder.request, event }, 'event ignored');
  }

  // ------------------------------------------------------------------------------------------------------------------

  get #ageMs(): number {
    return Math.round(this.#env.clock.now() - this.#startedMs);
  }

  get #sender(): { agent: string; epoch: string } {
    return { agent: this.task.sender, epoch: this.task.holder.epoch };
  }

  /** Asks the sender whether it has announced an end. */
  #confirm(): Promise<PeerReply<'confirm'>> {
    const { clock, options } = this.#env;
    const { request, epoch } = this.task.holder;
    // Without NATS there is nobody to ask and nobody to tell; with it, the sender answers, or is lost, or is not there.
    const silenceMs = SILENT_HEARTBEATS_MAX * options.heartbeatMs;
    const deadlineMs = this.#listener.senderIsWatched() ? Number.POSITIVE_INFINITY : clock.now() + silenceMs;
    const peer = { ...this.#sender, side: 'sender' as const };
    const isLost = () => this.#listener.senderIsLost();
    return callPeer(this.#env, peer, 'confirm', () => ({ request, epoch }), { deadlineMs, isLost });
  }

  #openLink(ranks: Ranks): RankLink {
    const { options, epoch } = this.#env;
    const { holder, groups, links } = this.task;
    const from = { agent: options.agent, epoch };
    const task = { holder, ranks, deadlineMs: this.deadlineMs, from, groups };
    return links.open(task, {
      counts: () => {
        const { chunks, deduplicated, joined, bytes } = this.#actor.getSnapshot().context;
        return { chunks, deduplicated, joined, bytes };
      },
      verdict: ({ end, failure }) => tell(this.#actor, { type: 'end.announced', end, failure }),
      lost: (failure) => {
        if (this.#actor.getSnapshot().matches('deciding')) tell(this.#actor, { type: 'end.certain' });
        else this.end('failed', failure);
      },
    });
  }

  /** `isOurs`: nobody else announces it. `isNews`: its sender does not know it yet. */
  #announce(
    end: End,
    failure: Failure | null,
    counts: Pick<IngestContext, 'chunks' | 'deduplicated' | 'joined' | 'bytes'>,
    { isOurs, isNews }: { readonly isOurs: boolean; readonly isNews: boolean },
  ): void {
    if (this.#announced) return;
    this.#announced = true;
    const { options, logger, counters } = this.#env;
    const { request, epoch } = this.task.holder;
    const reason = failure === null ? {} : { reason: failure };
    const { chunks, deduplicated, joined, bytes } = counts;
    if (isOurs) {
      const event: TerminalEvent = {
        v: PROTOCOL_VERSION,
        request,
        epoch,
        end,
        ...reason,
        sender: this.task.sender,
        receiver: options.agent,
        chunks,
        deduplicated,
        joined,
        bytes,
        ageMs: this.#ageMs,
      };
      announceEnd(this.#env, event);
    }
    if (!isNews) return;
    notifyPeer(this.#env, this.#sender, 'ended', { request, epoch, end, ...reason });
    counters.add(`requests_received_${end}`);
    const log = { request, epoch, end, ...reason, chunks, deduplicated, joined, bytes };
    if (end === 'ready') logger.debug(log, 'request ended');
    else logger.warn(log, 'request ended');
  }

  /** The machine threw: the request ends here, with a reason, and nothing else does. */
  #crashed(error: unknown): void {
    const { request } = this.task.holder;
    this.#env.supervisor.crashed('ingest', { request }, error);
    const failure: Failure = { code: 'internal', message: `request ${request} failed: ${String(error)}` };
    this.#listener.ended(this, 'failed', failure);
    this.#resolveDecided();
    const isOurs = this.#link === undefined;
    this.#announce('failed', failure, { chunks: 0, deduplicated: 0, joined: 0, bytes: 0 }, { isOurs, isNews: true });
    this.#link?.say('failed', failure);
    this.#listener.gone(this);
  }
}
