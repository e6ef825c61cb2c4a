/**
 * Which chunks of which batches the agent may still read. Also of requests that have ended: a write that was stopped reads
 * until it has drained. Engines ask for it when they may have missed a `sourceReleased` event (P25).
 */
import type { Body } from '../../protocol/body.js';
import { SOURCES_BATCHES_MAX, SOURCES_POSITIONS_MAX } from '../../protocol/limits.js';
import type { OperationReply, OperationRequest } from '../../protocol/operations.js';
import type { SourcePlace } from './source-place.js';

export interface Borrowed {
  readonly request: string;
  readonly batch: number;
  /** Undefined: it was put outside a session. */
  readonly session: string | undefined;
}

interface Loan extends Borrowed {
  readonly places: readonly SourcePlace[];
  /** 1 for every position that was not released. */
  readonly held: Uint8Array;
  count: number;
}

interface Released {
  readonly session: string | undefined;
  readonly places: readonly SourcePlace[];
}

type Listed = Pick<OperationReply<'sources'>, 'batches' | 'next'>;
type Filter = Pick<Body<OperationRequest<'sources'>>, 'request' | 'session' | 'after'>;

export class SourceLoans {
  /** By request, then by batch. */
  readonly #loans = new Map<string, Map<number, Loan>>();
  /** Chunks on loan, by session. */
  readonly #bySession = new Map<string, number>();

  has(request: string): boolean {
    return this.#loans.has(request);
  }

  add(borrowed: Borrowed, places: readonly SourcePlace[]): void {
    const { request, batch, session } = borrowed;
    if (places.length === 0) return;
    const batches = this.#loans.get(request) ?? new Map<number, Loan>();
    this.#loans.set(request, batches);
    const held = new Uint8Array(places.length).fill(1);
    batches.set(batch, { ...borrowed, places, held, count: places.length });
    this.#count(session, places.length);
  }

  /** The places of those positions that were on loan until now. */
  release(request: string, batch: number, positions: readonly number[]): Released {
    const batches = this.#loans.get(request);
    const loan = batches?.get(batch);
    if (batches === undefined || loan === undefined) return { session: undefined, places: [] };
    const own = positions.filter((position) => loan.held[position] === 1);
    for (const position of own) loan.held[position] = 0;
    loan.count -= own.length;
    this.#count(loan.session, -own.length);
    if (loan.count === 0) batches.delete(batch);
    if (batches.size === 0) this.#loans.delete(request);
    return { session: loan.session, places: own.map((position) => loan.places[position] as SourcePlace) };
  }

  countOf(session: string): number {
    return this.#bySession.get(session) ?? 0;
  }

  /** Sorted by request and batch, so that `after` finds its place whatever was released meanwhile. */
  list({ request, session, after }: Filter): Listed {
    const names = request === undefined ? [...this.#loans.keys()].sort() : [request];
    const batches: Listed['batches'] = [];
    let room = SOURCES_POSITIONS_MAX;
    for (const name of names) {
      if (after !== undefined && name < after.request) continue;
      const loans = [...(this.#loans.get(name)?.values() ?? [])].sort((a, b) => a.batch - b.batch);
      for (const loan of loans) {
        if (session !== undefined && loan.session !== session) continue;
        if (name === after?.request && loan.batch <= after.batch) continue;
        const last = batches.at(-1);
        if (last !== undefined && (batches.length === SOURCES_BATCHES_MAX || loan.count > room)) {
          return { batches, next: { request: last.request, batch: last.batch } };
        }
        batches.push({ request: name, batch: loan.batch, positions: positionsOf(loan) });
        room -= loan.count;
      }
    }
    return { batches };
  }

  #count(session: string | undefined, by: number): void {
    if (session === undefined) return;
    const count = this.countOf(session) + by;
    if (count === 0) this.#bySession.delete(session);
    else this.#bySession.set(session, count);
  }
}

function positionsOf({ held }: Loan): number[] {
  const positions: number[] = [];
  for (const [position, isHeld] of held.entries()) if (isHeld === 1) positions.push(position);
  return positions;
}
