/** An engine's memory at its prefill agent: attached, attached again after a restart of the agent, and detached. */
import type { ClockPort } from '../ports/clock.js';
import { isKvferryError, type KvferryError } from '../protocol/errors.js';
import { attachSegment } from './attach-segment.js';
import type { CallOptions, KvferryClient } from './kvferry-client.js';
import { isAnswerLost, patiently } from './patience.js';

/** For chunks that the agent still reads when the memory is detached. */
const DETACH_PATIENCE_MS = 5_000;

export interface AttachedMemoryOptions {
  readonly client: KvferryClient;
  readonly agent: string;
  readonly segment: string;
  readonly path: string;
  readonly call: CallOptions;
  readonly clock: ClockPort;
  readonly patienceMs: number;
}

export class AttachedMemory {
  readonly #options: AttachedMemoryOptions;
  /** The process that has the memory. */
  #attachedTo: string | undefined;
  #attaching: Promise<void> | undefined;

  constructor(options: AttachedMemoryOptions) {
    this.#options = options;
  }

  /** Rejects as `attachSegment` does, and `no_responders` when the agent is still away after the patience is over. */
  async attach(): Promise<void> {
    const { client, agent, call } = this.#options;
    const isPassing = (error: KvferryError) => isAnswerLost(error) || isKvferryError(error, 'no_responders');
    await patiently(this.#options, isPassing, async () => {
      // Asked first: if the agent is restarted meanwhile, its next heartbeat differs from this.
      const { epoch } = await client.describe(agent, call);
      await this.#attach();
      this.#attachedTo = epoch;
    });
  }

  /**
   * A process of the agent is running. If it is a new one, it gets the memory. When that fails, the next heartbeat is the
   * occasion for the next attempt.
   */
  async agentSeen(epoch: string): Promise<void> {
    if (this.#attaching !== undefined || this.#attachedTo === undefined || this.#attachedTo === epoch) return;
    this.#attaching = this.#attachAgain(epoch);
    try {
      await this.#attaching;
    } finally {
      this.#attaching = undefined;
    }
  }

  async #attachAgain(epoch: string): Promise<void> {
    try {
      await this.#attach();
    } catch (error) {
      if (!isKvferryError(error)) throw error;
      // `segment_in_use`: the new process reads chunks of this engine, so it has the memory already.
      if (error.code !== 'segment_in_use') return;
    }
    if (this.#attachedTo !== undefined) this.#attachedTo = epoch;
  }

  /** Does that process say that it reads no chunk of the memory? False when it does not answer. */
  async isUnread(epoch: string): Promise<boolean> {
    const { client, agent, segment, call } = this.#options;
    try {
      const { epoch: answering, segments } = await client.status(agent, { segment, lists: ['segments'] }, call);
      return answering === epoch && segments[0]?.segment === segment && segments[0].chunksInUse === 0;
    } catch (error) {
      if (!isKvferryError(error)) throw error;
      return false;
    }
  }

  /** Waits until the agent reads no chunk of the memory. Rejects `segment_in_use` when that takes longer than 5 s. */
  async detach(): Promise<void> {
    const { client, agent, segment, call, clock } = this.#options;
    const patience = { clock, patienceMs: DETACH_PATIENCE_MS };
    const isPassing = (error: KvferryError) => isAnswerLost(error) || isKvferryError(error, 'segment_in_use');
    // No heartbeat attaches the memory again.
    this.#attachedTo = undefined;
    await this.#attaching;
    try {
      await patiently(patience, isPassing, () => client.detach(agent, { segment }, call));
    } catch (error) {
      // The agent is gone, or was restarted and has no such memory.
      if (!isKvferryError(error, 'segment_not_found', 'no_responders')) throw error;
    }
  }

  #attach(): Promise<void> {
    const { client, agent, segment, path, call } = this.#options;
    return attachSegment(client, agent, { segment, path }, call);
  }
}
