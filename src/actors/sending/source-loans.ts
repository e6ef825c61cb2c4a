/**
 * Which chunks of which batches the agent may still read. Also of requests that have ended: a write that was stopped reads
 * until it has drained. Engines ask for it when they may have missed a `sourceReleased` event (P25).
 */
import type { Body } from '../../protocol/body.js';
import { SOURCES_BATCHES_MAX, SOURCES_POSITIONS_MAX } from '../../protocol/limits.js';
import type { OperationReply, OperationRequest } from '../../protocol/operations.js';
import { isOf } from '../../protocol/tenants.js';
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

type Batches = ReadonlyMap<number, Loan>;
interface Released {
  readonly session: string | undefined;
  readonly places: readonly SourcePlace[];
}

type Listed = Pick<OperationReply<'sources'>, 'batches' | 'next'>;
type Filter = Pick<Body<OperationRequest<'sources'>>, 'request' | 'session' | 'after'>;

/** One answer lists a batch of each of them, and whether there are more. One of them may be listed already. */
const NAMES_MAX = SOURCES_BATCHES_MAX + 2;

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

  /** Those of a tenant. Sorted by request and batch, so that `after` finds its place whatever was released meanwhile. */
  list({ request, session, after }: Filter, tenant: string): Listed {
    const isMeant = (name: string, batches: Batches) =>
      isOf(tenant, name) && (after === undefined || name >= after.request) && isIn(batches, session);
    const names = this.#firstNames(request === undefined ? this.#loans : this.#only(request), isMeant);
    const batches: Listed['batches'] = [];
    let room = SOURCES_POSITIONS_MAX;
    for (const name of names) {
      const loans = [...(this.#loans.get(name)?.values() ?? [])].sort((a, b) => a.batch - b.batch);
      for (const loan of loans) {
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

  #only(request: string): ReadonlyMap<string, Batches> {
    const batches = this.#loans.get(request);
    return new Map(batches === undefined ? [] : [[request, batches]]);
  }

  /** The first names in order, at least as many as one answer lists. It sorts no more of them than needed. */
  #firstNames(loans: ReadonlyMap<string, Batches>, isMeant: (name: string, batches: Batches) => boolean): string[] {
    let first: string[] = [];
    let last: string | undefined;
    for (const [name, batches] of loans) {
      if ((last !== undefined && name > last) || !isMeant(name, batches)) continue;
      first.push(name);
      if (first.length < 2 * NAMES_MAX) continue;
      first = first.sort().slice(0, NAMES_MAX);
      last = first.at(-1);
    }
    return first.sort();
  }

  #count(session: string | undefined, by: number): void {
    if (session === undefined) return;
    const count = this.countOf(session) + by;
    if (count === 0) this.#bySession.delete(session);
    else this.#bySession.set(session, count);
  }
}

/** All batches of a request belong to the same session. */
function isIn(batches: Batches, session: string | undefined): boolean {
  if (session === undefined) return true;
  for (const loan of batches.values()) return loan.session === session;
  return false;
}

function positionsOf({ held }: Loan): number[] {
  const positions: number[] = [];
  for (const [position, isHeld] of held.entries()) if (isHeld === 1) positions.push(position);
  return positions;
}
