/**
 * The name of an agent is an identity: one process serves it. A process that starts looks first whether another one has the
 * name. A draining one is asked to yield it; a running one keeps it. Two processes that run under one name all the same, because
 * they could not see each other before, notice it by their heartbeats: one of them fences itself.
 */
import { decodeReply } from '../../protocol/codec.js';
import { isKvferryError, KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { DescribeReply } from '../../protocol/operations.js';
import { type Heartbeat, peerSchemas } from '../../protocol/peer-messages.js';
import { subjects } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import { sleep } from '../env/timers.js';
import { describeAgent } from '../peers/describe-agent.js';

export interface NameListener {
  /** Another process serves the name. */
  taken(failure: Failure): void;
}

/** Pause between two questions to the process that has the name, in heartbeats. */
const ASK_AGAIN_HEARTBEATS = 0.25;
/** A process that does not answer for this long does not keep its name, in heartbeats. */
const SILENT_HEARTBEATS_MAX = 3;
/** Two processes whose ages differ by less than this count as equally old, in heartbeats. */
const SAME_AGE_HEARTBEATS = 2;
/** Another process of the same name that lives for longer than this does not fence itself, in heartbeats. */
const LASTING_HEARTBEATS = 3;

/** Another process of this name, which answers and should have fenced itself. */
interface Twin {
  /** When it answered first, and last. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** It is gone when it has not answered for this long. Its stay lasts when it is longer than this. */
  readonly lastingMs: number;
}

export class Name {
  readonly #env: AgentEnv;
  readonly #listener: NameListener;
  /** Epochs of other processes of this name that were reported. */
  readonly #reported = new Set<string>();
  #twin: Twin | undefined;

  constructor(env: AgentEnv, listener: NameListener) {
    this.#env = env;
    this.#listener = listener;
  }

  /** Whether another process has served the name beside this one for more than three heartbeats, and still does. */
  get hasLastingTwin(): boolean {
    if (this.#twin === undefined) return false;
    const { firstMs, lastMs, lastingMs } = this.#twin;
    return lastMs - firstMs > lastingMs && this.#env.clock.now() - lastMs <= lastingMs;
  }

  /**
   * Resolves when the name is free, with the heartbeat interval of the process that had it, if one answered. Rejects `agent_id_taken` when a process serves it, or drains for longer than `patienceMs`.
   */
  async claim(patienceMs: number): Promise<number | undefined> {
    const { clock, logger, options } = this.#env;
    const { agent, heartbeatMs } = options;
    const startedMs = clock.now();
    let answeredMs = startedMs;
    let intervalMs: number | undefined;
    for (;;) {
      const owner = await this.#owner();
      if (owner === undefined) return intervalMs;
      const nowMs = clock.now();
      if (owner === 'silent') {
        if (nowMs - answeredMs >= SILENT_HEARTBEATS_MAX * heartbeatMs) {
          logger.warn({ agent }, 'a process of this name is subscribed and does not answer: starting all the same');
          return intervalMs;
        }
      } else {
        answeredMs = nowMs;
        intervalMs = owner.heartbeatMs;
        if (owner.state === 'running' || owner.state === 'starting') throw taken(agent, owner.epoch, 'runs');
        if (await this.#yields(owner)) return intervalMs;
        if (nowMs - startedMs >= patienceMs) throw taken(agent, owner.epoch, 'still drains');
      }
      await sleep(clock, heartbeatMs * ASK_AGAIN_HEARTBEATS);
    }
  }

  /** Another process sends heartbeats under this name. `ageMs`: how long this process has had it. */
  async noticed(beat: Heartbeat, ageMs: number): Promise<void> {
    // It gives the name up.
    if (beat.draining || beat.leaving) return;
    const { counters, living, logger, options } = this.#env;
    const { agent, epoch } = beat;
    // Heartbeats can be late, or forged.
    const answer = await living.ask({ agent, epoch }, options.attemptTimeoutMs);
    if (answer !== 'alive') return;
    if (!this.#servesInsteadOf(beat, ageMs)) {
      const { code, message } = taken(agent, epoch, 'serves it');
      this.#listener.taken({ code, message });
      return;
    }
    this.#twin = this.#twinAfter(beat);
    if (this.#reported.has(epoch)) return;
    this.#reported.add(epoch);
    counters.add('twins_noticed');
    logger.error({ otherEpoch: epoch }, 'another process runs under this name: it must end');
  }

  #twinAfter({ heartbeatMs }: Heartbeat): Twin {
    const { clock, options } = this.#env;
    const nowMs = clock.now();
    const lastingMs = LASTING_HEARTBEATS * Math.max(heartbeatMs, options.heartbeatMs);
    const before = this.#twin;
    const isSameStay = before !== undefined && nowMs - before.lastMs <= lastingMs;
    return { firstMs: isSameStay ? before.firstMs : nowMs, lastMs: nowMs, lastingMs };
  }

  /** The process that got the name last serves. The smaller epoch decides between two that got it together. */
  #servesInsteadOf({ epoch, ageMs, heartbeatMs }: Heartbeat, ownAgeMs: number): boolean {
    const sameMs = SAME_AGE_HEARTBEATS * Math.max(heartbeatMs, this.#env.options.heartbeatMs);
    if (Math.abs(ownAgeMs - ageMs) > sameMs) return ownAgeMs < ageMs;
    return this.#env.epoch < epoch;
  }

  /** The process that answers under this name. Undefined when nobody is subscribed. */
  async #owner(): Promise<DescribeReply | 'silent' | undefined> {
    const { options } = this.#env;
    try {
      return await describeAgent(this.#env, options.agent, options.attemptTimeoutMs);
    } catch (error) {
      if (!isKvferryError(error) || error.code === 'closed') throw error;
      return error.code === 'no_responders' ? undefined : 'silent';
    }
  }

  /** Asks a draining process for the name. It serves the name no longer when it has yielded. */
  async #yields({ agent, epoch }: DescribeReply): Promise<boolean> {
    const { control, options, logger } = this.#env;
    try {
      const subject = subjects.peer(agent, epoch, 'yield');
      const question = JSON.stringify({ v: PROTOCOL_VERSION, epoch: this.#env.epoch });
      const answer = await control.request(subject, question, { timeoutMs: options.attemptTimeoutMs });
      return decodeReply(peerSchemas.yield.reply, answer).yielded;
    } catch (error) {
      if (!isKvferryError(error) || error.code === 'closed') throw error;
      logger.debug({ code: error.code }, 'the draining process of this name does not answer');
      return false;
    }
  }
}

function taken(agent: string, epoch: string, what: 'runs' | 'still drains' | 'serves it'): KvferryError {
  return new KvferryError(
    'agent_id_taken',
    `the name ${agent} is taken: its process with epoch ${epoch} ${what}. Give each agent its own --agent-id, or stop the other one`,
    { field: 'agentId' },
  );
}
