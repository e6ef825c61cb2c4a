import { invalidField, KvferryError } from '../../protocol/errors.js';
import { tenantOfName } from '../../protocol/tenants.js';
import type { SourcePlace } from './source-place.js';

/** Who borrowed a page. */
export interface Borrower {
  readonly holder: string;
  /** Undefined: it was lent outside a session. */
  readonly session: string | undefined;
}

/**
 * Pages of the agent's own memory that it lends to engines. A page is free, lent (the engine fills it), or in use (from
 * the `put` that names it until its bytes are sent). A page that was lent outside a session never times out: a slow engine
 * would then write into the chunk of another one. In a session, the engine must not write after its session has ended.
 */
export class StagingPool {
  readonly name: string;
  readonly pages: number;
  readonly pageBytes: number;
  readonly #free: number[];
  readonly #lent = new Map<number, Borrower>();
  /** Pages that are lent, by session. */
  readonly #bySession = new Map<string, Set<number>>();
  readonly #inUse = new Set<number>();

  constructor(name: string, pages: number, pageBytes: number) {
    this.name = name;
    this.pages = pages;
    this.pageBytes = pageBytes;
    this.#free = Array.from({ length: pages }, (_, index) => (pages - 1 - index) * pageBytes);
  }

  lend(borrower: Borrower, count: number): number[] {
    if (count > this.#free.length) {
      const message = `${count} staging pages requested, but only ${this.#free.length} of ${this.pages} are free`;
      throw new KvferryError('staging_exhausted', message, { field: 'pages' });
    }
    const offsets = this.#free.splice(-count).reverse();
    for (const offset of offsets) this.#lend(offset, borrower);
    return offsets;
  }

  giveBack(borrower: Borrower, offsets: readonly number[] | undefined): number {
    const { holder, session } = borrower;
    const isMine = (lent: Borrower | undefined) => lent?.holder === holder && lent.session === session;
    const mine = offsets ?? [...this.#lent].filter(([, lent]) => isMine(lent)).map(([offset]) => offset);
    const seen = new Set<number>();
    const wrong = mine.findIndex((offset) => !isMine(this.#lent.get(offset)) || seen.size === seen.add(offset).size);
    if (wrong >= 0) {
      throw new KvferryError('staging_not_lent', `staging page at ${mine[wrong]} is not lent to ${holder}`, {
        field: `offsets[${wrong}]`,
      });
    }
    this.#takeBack(mine);
    return mine.length;
  }

  /** The session has ended: takes every page back that is lent to it. Pages in use follow when their bytes are sent. */
  giveBackAll(session: string): void {
    this.#takeBack([...(this.#bySession.get(session) ?? [])]);
  }

  lentTo(session: string): number {
    return this.#bySession.get(session)?.size ?? 0;
  }

  /** `of`: the tenant and the session of the put that names the page. */
  checkLent(
    { offset, length, pieces }: SourcePlace,
    of: { readonly tenant: string; readonly session: string | undefined },
    field: string,
  ): void {
    const lent = this.#lent.get(offset);
    if (lent === undefined || lent.session !== of.session || tenantOfName(lent.holder) !== of.tenant) {
      const message = `the staging page at ${offset} is not lent${lent === undefined ? '' : ' to this session'}: request it with stage first`;
      throw new KvferryError('staging_not_lent', message, { field });
    }
    if (pieces !== undefined) throw invalidField(`${field}.pieces`, 'a chunk in a staging page lies in one piece');
    if (length > this.pageBytes) {
      throw invalidField(field, `${length} bytes do not fit a staging page of ${this.pageBytes} bytes`);
    }
  }

  take(offset: number): void {
    this.#forget(offset);
    this.#inUse.add(offset);
  }

  free(offset: number): void {
    if (this.#inUse.delete(offset)) this.#free.push(offset);
  }

  counts(): { total: number; free: number; lent: number; inUse: number } {
    return { total: this.pages, free: this.#free.length, lent: this.#lent.size, inUse: this.#inUse.size };
  }

  #takeBack(offsets: readonly number[]): void {
    for (const offset of offsets) {
      this.#forget(offset);
      this.#free.push(offset);
    }
  }

  #lend(offset: number, borrower: Borrower): void {
    this.#lent.set(offset, borrower);
    const { session } = borrower;
    if (session === undefined) return;
    this.#bySession.set(session, (this.#bySession.get(session) ?? new Set()).add(offset));
  }

  #forget(offset: number): void {
    const session = this.#lent.get(offset)?.session;
    this.#lent.delete(offset);
    if (session === undefined) return;
    const offsets = this.#bySession.get(session);
    offsets?.delete(offset);
    if (offsets?.size === 0) this.#bySession.delete(session);
  }
}
