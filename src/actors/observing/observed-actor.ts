/**
 * One actor as an observer sees it. Each change of its state goes to the journal. `row` tells its current state, what that
 * state waits for, and its deadline.
 */
import type { AnyActorRef, AnyMachineSnapshot, AnyStateMachine, AnyStateNode } from 'xstate';
import type { StateMeta, Waiting } from '../../../machines/waiting.js';
import type { ClockPort } from '../../ports/clock.js';
import { toFailure } from '../../protocol/codec.js';
import { defined } from '../../protocol/defined.js';
import type { Failure } from '../../protocol/fields.js';
import { CONTEXT_ITEMS_MAX } from '../../protocol/limits.js';
import type { ActorRow } from '../../protocol/observation.js';
import type { End } from '../../protocol/subjects.js';
import type { About, ActorIdentity, Journal } from './journal.js';
import type { StateCounts } from './state-counts.js';
import { stateName } from './state-name.js';

/** What an actor works on. */
export interface ActorTask {
  readonly about: About;
  /** When something outside the machine will end the present state, on the agent's clock. The machine's delays count too. */
  endsMs?(): number | undefined;
}

export interface MachineActor extends AnyActorRef {
  readonly logic: AnyStateMachine;
}

export class ObservedActor {
  readonly identity: ActorIdentity;
  readonly #task: ActorTask;
  readonly #actor: MachineActor;
  readonly #clock: ClockPort;
  readonly #journal: Journal;
  readonly #states: StateCounts;
  readonly #startedMs: number;
  /** Entry times: of the current state, of the state around it, and, in a parallel state, of each region by its id. */
  #changedMs: number;
  #outer: { readonly name: string; readonly sinceMs: number } | undefined;
  #sinceMs: Map<string, number> | undefined;
  #done = false;
  /** Name of the current state. */
  #state = '';

  constructor(actor: MachineActor, task: ActorTask, clock: ClockPort, journal: Journal, states: StateCounts) {
    const { id: machine } = actor.logic;
    this.identity = { machine: machine as ActorIdentity['machine'], actor: actor.id, about: task.about };
    this.#task = task;
    this.#actor = actor;
    this.#clock = clock;
    this.#journal = journal;
    this.#states = states;
    this.#startedMs = clock.now();
    this.#changedMs = this.#startedMs;
  }

  /** Call this just before the actor starts, because the effects of its first state may already send it events. */
  started(): void {
    const snapshot = this.#snapshot;
    this.#state = stateName(snapshot.value);
    this.#states.entered(this.identity.machine, this.#state);
    this.#note(undefined, '', this.#state, snapshot);
  }

  /** The machine has handled `event`. */
  moved(before: AnyMachineSnapshot, event: string, after: AnyMachineSnapshot): void {
    if (this.#done || (before.value === after.value && before.status === after.status)) return;
    const from = this.#state;
    this.#state = stateName(after.value);
    if (from !== this.#state) {
      this.#states.left(this.identity.machine, from);
      this.#states.entered(this.identity.machine, this.#state);
    }
    if (from !== this.#state || after.status !== 'active') this.#note(from, event, this.#state, after);
  }

  /** The actor is not listed any more. */
  removed(): void {
    this.#states.left(this.identity.machine, this.#state);
  }

  /** The actor threw and has stopped. */
  failed(error: unknown): void {
    if (this.#done) return;
    this.#done = true;
    const state = this.#state;
    const end = { done: true, end: undefined, reason: toFailure(error) };
    this.#journal.state(this.identity, { event: 'failed', from: state, to: state, ...end });
  }

  /** The actor as `inspect` shows it: state, deadline, what it waits for, and its context with long lists cut. */
  row(): ActorRow {
    const { machine, actor, about } = this.identity;
    const snapshot = this.#snapshot;
    const nowMs = this.#clock.now();
    const waiting = this.#waiting(snapshot);
    const endsMs = this.#endsMs(snapshot);
    const endsInMs = endsMs === undefined ? undefined : endsMs - nowMs;
    return {
      machine,
      actor,
      ...about,
      state: stateName(snapshot.value),
      paths: pathsOf(snapshot),
      ageMs: nowMs - this.#startedMs,
      inStateMs: nowMs - this.#changedMs,
      ...(waiting === undefined ? {} : { waiting: { ...waiting, ...defined({ endsInMs }) } }),
      context: cut(snapshot.context) as Record<string, unknown>,
    };
  }

  get #snapshot(): AnyMachineSnapshot {
    return this.#actor.getSnapshot() as AnyMachineSnapshot;
  }

  #note(from: string | undefined, event: string, to: string, after: AnyMachineSnapshot): void {
    const nowMs = this.#clock.now();
    this.#changedMs = nowMs;
    if (typeof after.value !== 'string') this.#noteOuter(after, nowMs);
    this.#done = after.status !== 'active';
    if (this.#journal.isIdle) return;
    const { failure, end } = after.context as { readonly failure?: Failure | null; readonly end?: End | null };
    const change = { event, from, to, done: this.#done, end: end ?? undefined, reason: failure ?? undefined };
    this.#journal.state(this.identity, change);
  }

  #noteOuter(after: AnyMachineSnapshot, nowMs: number): void {
    const [name = '', inner] = Object.entries(after.value as object)[0] ?? [];
    if (this.#outer?.name !== name) this.#outer = { name, sinceMs: nowMs };
    if (typeof inner === 'string') return;
    this.#sinceMs = new Map(pathsOf(after).map((path) => [path, this.#sinceMs?.get(path) ?? nowMs]));
  }

  /** What the actor waits for: the innermost current state that has a `waiting` decides. */
  #waiting(snapshot: AnyMachineSnapshot): Waiting | undefined {
    const metas = snapshot.getMeta() as Readonly<Record<string, StateMeta<unknown> | undefined>>;
    const ids = pathsOf(snapshot).filter((path) => metas[path] !== undefined);
    const innermost = ids.sort((a, b) => b.split('.').length - a.split('.').length)[0];
    const waiting = innermost === undefined ? undefined : metas[innermost]?.waiting;
    if (waiting === undefined) return undefined;
    const { gate, text } = typeof waiting === 'function' ? waiting(snapshot.context) : waiting;
    return { gate, text: text.replaceAll('{peer}', this.identity.about.peer ?? 'the other agent') };
  }

  /** The earliest deadline. A delay after which the state only starts again is no deadline. */
  #endsMs(snapshot: AnyMachineSnapshot): number | undefined {
    const outsideMs = this.#task.endsMs?.();
    const deadlines = outsideMs === undefined ? [] : [outsideMs];
    for (const path of pathsOf(snapshot)) {
      const node: AnyStateNode = this.#actor.logic.getStateNodeById(path);
      for (const { delay, target } of node.after) {
        if (target?.every(({ id }) => id === path) !== false) continue;
        const named = typeof delay === 'string' ? this.#actor.logic.implementations.delays[delay] : delay;
        const delayMs = typeof named === 'function' ? named({ context: snapshot.context } as never, undefined) : named;
        if (typeof delayMs === 'number') deadlines.push(this.#since(path, snapshot) + delayMs);
      }
    }
    return deadlines.length === 0 ? undefined : Math.min(...deadlines);
  }

  #since(path: string, { machine, value }: AnyMachineSnapshot): number {
    if (typeof value === 'string') return this.#changedMs;
    if (this.#outer !== undefined && path === `${machine.id}.${this.#outer.name}`) return this.#outer.sinceMs;
    return this.#sinceMs?.get(path) ?? this.#changedMs;
  }
}

/** Ids of all current states, outer states first: `transfer.writing`. */
function pathsOf({ machine, value }: AnyMachineSnapshot): string[] {
  const paths: string[] = [];
  const collect = (inside: string, states: string | object) => {
    if (typeof states === 'string') {
      paths.push(`${inside}.${states}`);
      return;
    }
    for (const [name, inner] of Object.entries(states)) {
      paths.push(`${inside}.${name}`);
      collect(`${inside}.${name}`, inner as string | object);
    }
  };
  collect(machine.id, value as string | object);
  return paths;
}

/** The same value with long lists and large objects cut. */
function cut(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.slice(0, CONTEXT_ITEMS_MAX).map(cut);
    return value.length > CONTEXT_ITEMS_MAX ? [...items, `… ${value.length - CONTEXT_ITEMS_MAX} more`] : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const shown = entries.slice(0, CONTEXT_ITEMS_MAX * 2).map(([name, inner]) => [name, cut(inner)] as const);
  return Object.fromEntries(shown);
}
