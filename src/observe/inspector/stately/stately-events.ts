/** Converts journal entries to the events of Stately's inspector (`@statelyai/inspect`). */
import type { StatelyInspectionEvent } from '@statelyai/inspect';
import type { ActorView, EntryView } from '../feed.js';
import { machines } from '../machines.js';
import { stateNamed } from '../state-values.js';

/** Version of `@statelyai/inspect` whose events these are. */
const PROTOCOL_VERSION = '0.7.2';

type Identity = Pick<ActorView, 'agent' | 'agentEpoch' | 'machine' | 'actor' | 'request' | 'epoch'>;

/** The event of an actor that is already running. */
export function actorEvent(row: ActorView, timeMs: number): StatelyInspectionEvent {
  return registration(row, snapshotOf(row.machine, row.state, false, row.context), timeMs);
}

/** The events of an entry: the start of an actor, or its event and its new state. */
export function eventsOf({ agent, agentEpoch, timeMs, entry }: EntryView): StatelyInspectionEvent[] {
  if (entry.kind !== 'state') return [];
  const identity = { agent, agentEpoch, ...entry };
  const snapshot = snapshotOf(entry.machine, entry.to, entry.done, {});
  if (entry.from === undefined) return [registration(identity, snapshot, timeMs)];
  const event = { type: entry.event };
  const base = baseOf(identity, timeMs);
  return [
    { type: '@xstate.event', ...base, event, sourceId: undefined },
    { type: '@xstate.snapshot', ...base, event, snapshot },
  ];
}

function registration(identity: Identity, snapshot: Snapshot, timeMs: number): StatelyInspectionEvent {
  return {
    type: '@xstate.actor',
    ...baseOf(identity, timeMs),
    name: `${identity.agent}: ${identity.actor}`,
    snapshot,
    definition: definitionOf(identity.machine),
    parentId: parentOf(identity),
  };
}

function baseOf(identity: Identity, timeMs: number) {
  const sessionId = sessionOf(identity, identity.actor);
  return {
    sessionId,
    // The agent's machine is the root of all actors in its process.
    rootId: sessionOf(identity, `agent ${identity.agent}`),
    id: `${sessionId} ${timeMs}`,
    createdAt: `${Math.round(timeMs)}`,
    _version: PROTOCOL_VERSION,
  };
}

function parentOf(identity: Identity): string | undefined {
  const { machine, request, epoch } = identity;
  if (machine === 'agent') return undefined;
  return sessionOf(identity, machine === 'transfer' ? `request ${epoch}/${request}` : `agent ${identity.agent}`);
}

function sessionOf({ agent, agentEpoch }: Identity, actor: string): string {
  return `${agent}/${agentEpoch}/${actor}`;
}

type Snapshot = Extract<StatelyInspectionEvent, { type: '@xstate.snapshot' }>['snapshot'];

function snapshotOf(machine: ActorView['machine'], state: string, done: boolean, context: object): Snapshot {
  const value = stateNamed(machine, state)?.value ?? state;
  const common = { value, context, children: {}, historyValue: {} };
  const snapshot = done
    ? { status: 'done' as const, output: undefined, error: undefined, ...common }
    : { status: 'active' as const, output: undefined, error: undefined, ...common };
  return snapshot;
}

const definitions = new Map<string, string>();

/** The machine definition as JSON, with functions as names. */
function definitionOf(machine: ActorView['machine']): string {
  const known = definitions.get(machine);
  if (known !== undefined) return known;
  const named = (_: string, value: unknown) => (typeof value === 'function' ? { type: value.name } : value);
  const definition = JSON.stringify(machines[machine].config, named);
  definitions.set(machine, definition);
  return definition;
}
