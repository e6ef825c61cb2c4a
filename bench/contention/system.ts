/** Two agents and what is between them, seen by the engines: what a trace is run on. */
import type { PlacedKey } from './arena-contents.js';
import type { TracedRequest } from './trace.js';

export interface Outcome {
  /** The receiver says that it is all there, and where. Undefined in place of a page that it does not find. */
  ready(places: readonly (PlacedKey | undefined)[]): void;
  /** The router is told that it will not become ready. */
  ended(): void;
}

export interface System {
  /** One step of prefill is done: its bytes can be moved. */
  put(request: TracedRequest, batch: number, outcome: Outcome): void;
  /** The router or the sender's engine gives the request up. */
  abort(request: TracedRequest): void;
  /** The decode engine has read it. */
  release(request: TracedRequest): void;
  /** Pages that could be handed out now. */
  readonly freePages: number;
}

/** One message from one agent to another. */
export const MESSAGE_MS = 0.5;
