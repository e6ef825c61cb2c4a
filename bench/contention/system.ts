/** Two agents and their network as the engines see them. A workload runs on a system. */
import type { PlacedKey } from './arena-contents.js';
import type { WorkloadRequest } from './workload.js';

export interface Outcome {
  /** The receiver reports the places of all keys. Undefined for a key that it does not find. */
  ready(places: readonly (PlacedKey | undefined)[]): void;
  /** The router receives an end other than ready. */
  ended(): void;
}

export interface System {
  /** One step of prefill is done, so its bytes can be moved. */
  put(request: WorkloadRequest, batch: number, outcome: Outcome): void;
  /** The router or the sender's engine gives the request up. */
  abort(request: WorkloadRequest): void;
  /** The decode engine has read the request. */
  release(request: WorkloadRequest): void;
  /** Pages that are free now. */
  readonly freePages: number;
}

/** Time of one message from one agent to another. */
export const MESSAGE_MS = 0.5;
