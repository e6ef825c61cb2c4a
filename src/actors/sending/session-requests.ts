/** The requests in progress of each session. */
import { KvferryError } from '../../protocol/errors.js';
import type { RequestActor } from './request-actor.js';

export class SessionRequests {
  readonly #bySession = new Map<string, Set<RequestActor>>();

  add(request: RequestActor): void {
    const { session } = request.task;
    if (session === undefined) return;
    this.#bySession.set(session, (this.#bySession.get(session) ?? new Set()).add(request));
  }

  delete(request: RequestActor): void {
    const { session } = request.task;
    if (session === undefined) return;
    const requests = this.#bySession.get(session);
    requests?.delete(request);
    if (requests?.size === 0) this.#bySession.delete(session);
  }

  of(session: string): RequestActor[] {
    return [...(this.#bySession.get(session) ?? [])];
  }

  count(session: string): number {
    return this.#bySession.get(session)?.size ?? 0;
  }
}

/** Throws `wrong_session` when an order of `session` is about a request of another one. */
export function refuseOther({ task }: RequestActor, session: string | undefined): void {
  if (session === undefined || task.session === undefined || task.session === session) return;
  const message = `request ${task.request} was put in session ${task.session}: cancel it there, or outside a session`;
  throw new KvferryError('wrong_session', message, { field: 'request', details: { session: task.session } });
}
