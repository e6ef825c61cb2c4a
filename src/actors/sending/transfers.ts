/** The transfers of one request that have not ended, and what those that have ended left behind. */

import type { Body } from '../../protocol/body.js';
import { unknownRequest } from '../../protocol/codec.js';
import type { Failure } from '../../protocol/fields.js';
import type { PeerReply, PeerRequest } from '../../protocol/peer-messages.js';
import type { AgentEnv } from '../env/agent-env.js';
import type { Connection } from '../peers/receiver-peer.js';
import { type BatchState, TransferActor } from './transfer-actor.js';
import type { TransferListener, TransferTask } from './transfer-task.js';

export class Transfers {
  readonly #env: AgentEnv;
  readonly #request: string;
  readonly #listener: Omit<TransferListener, 'mentioned'>;
  readonly #running = new Map<number, TransferActor>();
  /** Connections of writes that may still land. */
  readonly undrained = new Set<Connection>();
  #isMentioned = false;
  /** A transfer has ended without the answer to its `allocate` or `commit`. */
  #unanswered = false;

  constructor(env: AgentEnv, request: string, listener: Omit<TransferListener, 'mentioned'>) {
    this.#env = env;
    this.#request = request;
    this.#listener = listener;
  }

  start(task: TransferTask): void {
    const listener = this.#listener;
    const transfer = new TransferActor(this.#env, task, {
      committed: (batch) => {
        this.#running.delete(batch);
        listener.committed(batch);
      },
      aborted: (batch, failure, outcome) => {
        this.#running.delete(batch);
        if (outcome.undrained !== undefined) this.undrained.add(outcome.undrained);
        this.#unanswered ||= outcome.unanswered;
        listener.aborted(batch, failure, outcome);
      },
      mentioned: () => {
        this.#isMentioned = true;
      },
      ended: (end, failure) => listener.ended(end, failure),
    });
    this.#running.set(task.batch, transfer);
  }

  settle(): void {
    for (const transfer of [...this.#running.values()]) transfer.settle();
  }

  cancel(failure: Failure): void {
    for (const transfer of [...this.#running.values()]) transfer.cancel(failure);
  }

  joinResolved(batch: number): void {
    this.#running.get(batch)?.joinResolved();
  }

  allocated({ batch, allocation }: PeerRequest<'allocated'>): void {
    void this.#running.get(batch)?.allocated(allocation);
  }

  /** Rejects `unknown_request` when the transfer of the batch has ended; otherwise as `TransferActor.handOver`. */
  async handOver(message: PeerRequest<'handover'>): Promise<Body<PeerReply<'handover'>>> {
    const transfer = this.#running.get(message.batch);
    if (transfer === undefined) throw unknownRequest(this.#request);
    return transfer.handOver(message);
  }

  learned(row: BatchState): void {
    this.#running.get(row.batch)?.learned(row);
  }

  /** Batches that wait for pages, or for the bytes of other requests. */
  get waiting(): number[] {
    return [...this.#running].filter(([, transfer]) => transfer.isWaiting).map(([batch]) => batch);
  }

  /** A message about the request was sent, so the receiver may know it. */
  get isMentioned(): boolean {
    return this.#isMentioned;
  }

  /** An `allocate` or `commit` has no answer, so it may complete the request later. */
  get isUnanswered(): boolean {
    return this.#unanswered || [...this.#running.values()].some(({ isUnanswered }) => isUnanswered);
  }
}
