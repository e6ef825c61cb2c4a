/** Whatever writes chunks into the memory of another process: kvferry, or a peer. Two processes each. */
import type { WriteCase } from './write-case.js';

export interface WriteTimes {
  readonly seconds: number;
  /** Of each batch, from the call that starts it to its completion. */
  readonly batchP50Us: number;
  readonly batchP99Us: number;
}

export interface Contender {
  /** Begins the names of its figures. */
  readonly name: string;
  /** Which of the tables it is in. */
  readonly path: 'same-host' | 'tcp' | 'verbs';
  /**
   * Stops its processes while others are measured, and lets them go on: some never sleep, and would take the processors
   * from whoever has its turn.
   */
  pause(): void;
  resume(): void;
  /** Fills the source with the bytes of this round: they are unlike those of any round before. */
  fill(one: WriteCase, round: number): Promise<void>;
  /** Writes every chunk once; complete is what is in the receiver's memory. This is what is timed. */
  write(one: WriteCase): Promise<WriteTimes>;
  /** Compares every byte at the receiver; answers how many chunks are wrong. */
  verify(one: WriteCase, round: number): Promise<number>;
}
