/** The sessions of engines with this agent: opened, renewed, ended by the engine or by silence. */
import type { Body } from '../../protocol/body.js';
import { invalidField, KvferryError } from '../../protocol/errors.js';
import type { Failure } from '../../protocol/fields.js';
import type { OperationReply, OperationRequest } from '../../protocol/operations.js';
import type { SessionRow } from '../../protocol/status-rows.js';
import type { AgentEnv } from '../env/agent-env.js';
import { Session } from './session.js';

/** What a session holds at the agent. */
export interface SessionHoldings {
  /** Cancels its requests and gives its memory back, as soon as no chunk of it is in use. Harmless when repeated. */
  giveBack(session: string, failure: Failure): void;
  count(session: string): Pick<SessionRow, 'requests' | 'segments' | 'stagingPages' | 'chunksInUse'>;
}

/** The fields by which an order belongs to a session. */
export interface OrderFields {
  readonly session?: string | undefined;
  readonly order?: number | undefined;
}

/** For each session that may be open, so many ended ones are remembered. */
const ENDED_FOR_EACH_OPEN = 4;

export class Sessions {
  readonly #env: AgentEnv;
  readonly #holdings: SessionHoldings;
  /** Open sessions, and ended ones that are remembered. Oldest first. */
  readonly #sessions = new Map<string, Session>();

  constructor(env: AgentEnv, holdings: SessionHoldings) {
    this.#env = env;
    this.#holdings = holdings;
  }

  open({ session, holder, silentMs }: OperationRequest<'open'>): Body<OperationReply<'open'>> {
    const nowMs = this.#env.clock.now();
    const known = this.#sessions.get(session);
    if (known === undefined) {
      this.#checkRoom();
      this.#sessions.set(session, new Session({ id: session, holder, silentMs }, nowMs));
      this.#env.counters.add('sessions_opened');
      this.#env.logger.info({ session, holder, silentMs }, 'session opened');
    }
    const opened = this.#heard(session);
    if (opened.holder !== holder) throw invalidField('holder', `session ${session} belongs to ${opened.holder}`);
    return { epoch: this.#env.epoch, silentMs: opened.silentMs, order: opened.next };
  }

  renew({ session }: OperationRequest<'renew'>): Body<OperationReply<'renew'>> {
    return { epoch: this.#env.epoch, order: this.#heard(session).next };
  }

  async barrier({ session, order }: OperationRequest<'barrier'>): Promise<Body<OperationReply<'barrier'>>> {
    const barred = await this.#heard(session).barrier(order);
    return { epoch: this.#env.epoch, barred };
  }

  /** Resolves when no order of the session can be executed any more. */
  async end({ session }: OperationRequest<'end'>): Promise<Body<OperationReply<'end'>>> {
    const known = this.#find(session);
    if (known.isOpen) this.#env.logger.info({ session, holder: known.holder }, 'session ended');
    await this.#end(known, { code: 'session_ended', message: `session ${session} of ${known.holder} has ended` });
    return { epoch: this.#env.epoch, chunksInUse: this.#holdings.count(session).chunksInUse };
  }

  /** Executes an order in the turn of its session; at once when it belongs to none. */
  run<T extends object>(
    message: OrderFields,
    operation: string,
    begin: (session: Session | undefined) => () => T | Promise<T>,
  ): T | Promise<T> {
    const { session, order } = message;
    if ((session === undefined) !== (order === undefined)) {
      throw invalidField(
        session === undefined ? 'session' : 'order',
        'an order names its session and its number, or neither',
      );
    }
    if (session === undefined || order === undefined) return begin(undefined)();
    const known = this.#heard(session);
    return known.order(order, `${operation} ${JSON.stringify(message)}`, () => begin(known));
  }

  /** Throws `session_ended` when the session has ended meanwhile. */
  requireOpen(session: string | undefined): void {
    if (session !== undefined) this.#find(session).requireOpen();
  }

  /** The agent could not receive messages for a time, so silence of until now proves nothing. */
  excuseSilence(): void {
    const nowMs = this.#env.clock.now();
    for (const session of this.#sessions.values()) session.heardMs = nowMs;
  }

  sweep(nowMs: number): void {
    for (const session of this.#sessions.values()) {
      if (session.isOpen && nowMs - session.heardMs >= session.silentMs) this.#silent(session, nowMs);
    }
    this.#forgetEnded(nowMs);
  }

  /** Those that were silent longest first. */
  rows(): SessionRow[] {
    const nowMs = this.#env.clock.now();
    const rows: SessionRow[] = [];
    for (const { id, holder, silentMs, heardMs, next, waiting, isOpen } of this.#sessions.values()) {
      const count = this.#holdings.count(id);
      if (!isOpen && count.chunksInUse === 0) continue;
      const silentForMs = Math.round(nowMs - heardMs);
      const state = isOpen ? 'open' : 'ended';
      rows.push({ session: id, holder, state, silentMs, silentForMs, order: next, waiting, ...count });
    }
    return rows.sort((a, b) => b.silentForMs - a.silentForMs);
  }

  #silent(session: Session, nowMs: number): void {
    const { id, holder, heardMs } = session;
    const silentForMs = Math.round(nowMs - heardMs);
    this.#env.counters.add('sessions_silent');
    this.#env.logger.warn({ session: id, holder, silentForMs }, 'session ended: its engine is silent');
    const message = `session ${id} of ${holder} has ended: its engine was silent for ${silentForMs} ms`;
    void this.#end(session, { code: 'session_ended', message });
  }

  async #end(session: Session, failure: Failure): Promise<void> {
    if (session.isOpen) this.#env.counters.add('sessions_ended');
    const done = session.end(this.#env.clock.now());
    this.#holdings.giveBack(session.id, failure);
    await done;
    // What the order that was in progress has taken since.
    this.#holdings.giveBack(session.id, failure);
  }

  #find(id: string): Session {
    const session = this.#sessions.get(id);
    if (session !== undefined) return session;
    const { agent } = this.#env.options;
    const message = `agent ${agent} has no session ${id}: it was restarted, or the session ended long ago`;
    throw new KvferryError('unknown_session', message, { field: 'session' });
  }

  /** The session, which lives: its engine has just sent a message. */
  #heard(id: string): Session {
    const session = this.#find(id);
    session.requireOpen();
    session.heardMs = this.#env.clock.now();
    return session;
  }

  #checkRoom(): void {
    const { agent, sessionsMax } = this.#env.options;
    const open = [...this.#sessions.values()].filter(({ isOpen }) => isOpen).length;
    if (open < sessionsMax) return;
    const message = `agent ${agent} has ${open} open sessions and takes no more`;
    throw new KvferryError('too_many_sessions', message, { field: 'session' });
  }

  #forgetEnded(nowMs: number): void {
    const { sessionsMax, tombstoneMs } = this.#env.options;
    const ended = [...this.#sessions.values()].filter(({ isOpen }) => !isOpen);
    let tooMany = ended.length - ENDED_FOR_EACH_OPEN * sessionsMax;
    for (const { id, endedMs = nowMs } of ended) {
      if (tooMany <= 0 && nowMs - endedMs < tombstoneMs) continue;
      if (this.#holdings.count(id).chunksInUse > 0) continue;
      this.#sessions.delete(id);
      tooMany -= 1;
    }
  }
}
