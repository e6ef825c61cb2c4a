/**
 * The link of one rank to the agent that leads the ranks of its request (P17). It reports the state of the rank again and
 * again, until the lead answers with the verdict about the whole request. The next report replaces one that is lost. A lead
 * that does not answer is given up. The link still reports to it until the deadline of the request: the lead may only be
 * away, and must not wait for this rank.
 */
import { SILENT_HEARTBEATS_MAX } from '../../../machines/peer.js';
import type { Body } from '../../protocol/body.js';
import { ReplyError, toFailure } from '../../protocol/codec.js';
import { isKvferryError, KvferryError } from '../../protocol/errors.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { PeerReply, RankReport } from '../../protocol/peer-messages.js';
import type { HolderId } from '../../store/holder.js';
import type { AgentEnv } from '../env/agent-env.js';
import { describeAgent } from '../peers/describe-agent.js';
import { callPeer, insist, type Peer } from '../peers/peer-call.js';
import type { Verdict } from './verdict.js';

/** Takes the report of a rank. The answer carries the end of the whole request once there is one. */
export interface RankReports {
  report(report: RankReport): Body<PeerReply<'report'>>;
}

export interface RankLinkTask {
  readonly holder: HolderId;
  readonly ranks: Ranks;
  /** When the rank must have ended, on the agent's clock. */
  readonly deadlineMs: number;
  /** The receiver of this rank. Undefined when the sender reports. */
  readonly from: RankReport['from'];
  /** Where the rank reports when this agent leads the ranks itself. */
  readonly groups: RankReports | undefined;
}

export interface RankLinkListener {
  counts(): Pick<RankReport, 'chunks' | 'deduplicated' | 'joined' | 'bytes'>;
  /** The end of the whole request. The last call of the link. */
  verdict(verdict: Verdict): void;
  /** The lead is gone, or refuses the rank: there will be no verdict. The last call of the link. */
  lost(failure: Failure): void;
}

export class RankLink {
  readonly #env: AgentEnv;
  readonly #task: RankLinkTask;
  readonly #listener: RankLinkListener;
  readonly #onClosed: () => void;
  #state: Pick<RankReport, 'state' | 'reason'> = { state: 'running' };
  #lead: Peer | undefined;
  #timer: unknown;
  #asking = 0;
  /** The verdict has come, or the lead was given up. */
  #isOver = false;
  #isClosed = false;

  /** The link sends nothing before the first `say`. */
  constructor(env: AgentEnv, task: RankLinkTask, listener: RankLinkListener, onClosed: () => void) {
    this.#onClosed = onClosed;
    this.#env = env;
    this.#task = task;
    this.#listener = listener;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Reports this state at once, and then repeatedly. */
  say(state: RankReport['state'], reason?: Failure): void {
    if (this.#isOver) return;
    this.#state = reason === undefined ? { state } : { state, reason };
    void this.#report();
    this.#repeat();
  }

  /** The lead has sent the verdict. */
  told(verdict: Verdict): void {
    if (this.#isOver) return;
    this.close();
    this.#listener.verdict(verdict);
  }

  /** Stops the link: no more reports, no more calls of the listener. */
  close(): void {
    this.#isOver = true;
    this.#isClosed = true;
    this.#env.clock.clearTimeout(this.#timer);
    this.#onClosed();
  }

  #repeat(): void {
    const { clock, options } = this.#env;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => {
      if (this.#isOver && clock.now() >= this.#task.deadlineMs) {
        this.close();
        return;
      }
      if (this.#asking === 0) void this.#report();
      this.#repeat();
    }, options.inquireIntervalMs);
  }

  async #report(): Promise<void> {
    const { presence, clock, options, logger } = this.#env;
    const { request } = this.#task.holder;
    const absences = presence.absences;
    this.#asking += 1;
    try {
      const { end, reason } = await this.#ask(clock.now() + SILENT_HEARTBEATS_MAX * options.heartbeatMs);
      if (end === undefined) return;
      if (this.#isOver) this.close();
      else this.told({ end, failure: reason ?? null });
    } catch (error) {
      // Silence during an absence of this agent proves nothing about the lead.
      if (this.#isOver || (isKvferryError(error, 'deadline_exceeded') && presence.absences !== absences)) return;
      logger.warn(
        { request, code: toFailure(error).code, err: error },
        'the agent that leads the ranks does not take the report',
      );
      this.#giveUp(error);
    } finally {
      this.#asking -= 1;
    }
  }

  #giveUp(error: unknown): void {
    const { ranks, holder, groups } = this.#task;
    const { code, message } = toFailure(error);
    const lead = `agent ${ranks.members[0]?.receiver}, which leads the ranks of request ${holder.request}`;
    const isRefusal = error instanceof ReplyError || groups !== undefined;
    const failure: Failure = isRefusal
      ? { code, message: `${lead}, refuses this rank: ${message}` }
      : { code: 'receiver_lost', message: `${lead}, is gone: ${message}` };
    if (isRefusal) this.close();
    this.#isOver = true;
    if (this.#state.state === 'running' || this.#state.state === 'complete') {
      this.#state = { state: 'failed', reason: failure };
    }
    this.#listener.lost(failure);
  }

  async #ask(deadlineMs: number): Promise<Body<PeerReply<'report'>>> {
    const insistence = { deadlineMs, isLost: () => this.#isClosed };
    if (this.#task.groups !== undefined) return this.#task.groups.report({ v: PROTOCOL_VERSION, ...this.#body() });
    this.#lead ??= await this.#find(insistence);
    return callPeer(this.#env, this.#lead, 'report', () => this.#body(), insistence);
  }

  #body(): Omit<RankReport, 'v'> {
    const { holder, ranks, from, deadlineMs } = this.#task;
    const timeoutMs = Math.max(1, Math.floor(deadlineMs - this.#env.clock.now()));
    return { ...holder, ranks, from, ...this.#state, ...this.#listener.counts(), timeoutMs };
  }

  async #find(insistence: { deadlineMs: number; isLost: () => boolean }): Promise<Peer> {
    const agent = this.#task.ranks.members[0]?.receiver as string;
    const what = `no agent ${agent} answers: check its name and that it runs`;
    const check = () => {
      if (insistence.isLost()) throw new KvferryError('closed', `the link to agent ${agent} is closed`);
    };
    const { deadlineMs } = insistence;
    const { epoch } = await insist(this.#env, { what, deadlineMs, check }, ({ forAttemptMs }) =>
      describeAgent(this.#env, agent, forAttemptMs),
    );
    return { agent, epoch, side: 'receiver' };
  }
}
