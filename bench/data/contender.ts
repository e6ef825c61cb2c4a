/** A system that writes chunks into the memory of another process: kvferry or a peer. Each has two processes. */
import type { WriteCase } from './write-case.js';

export interface WriteTimes {
  readonly seconds: number;
  /** Time of each batch, from the call that starts it to its completion. */
  readonly batchP50Us: number;
  readonly batchP99Us: number;
  /** Processor time of the sender's process. Peers do not measure it. */
  readonly senderCpuSeconds?: number;
}

export interface Contender {
  /** Prefix of the names of its figures. */
  readonly name: string;
  /** Table that it belongs to. */
  readonly path: 'same-host' | 'tcp' | 'verbs';
  /**
   * Stops its processes while another contender is measured, and continues them. Some never sleep and would take the
   * processors from the other one.
   */
  pause(): void;
  resume(): void;
  /** Fills the source with the bytes of this round, which differ from those of every earlier round. */
  fill(one: WriteCase, round: number): Promise<void>;
  /** Writes every chunk once, until all are in the receiver's memory. This is the timed part. */
  write(one: WriteCase): Promise<WriteTimes>;
  /** Compares every byte at the receiver. Resolves with the number of wrong chunks. */
  verify(one: WriteCase, round: number): Promise<number>;
}
