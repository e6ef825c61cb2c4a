/** The invariants of every state, and those of a final state, in which no step but a fault is possible. */
import type { StoreDescription } from '../../../src/store/description.js';
import { nameOf } from '../../../src/store/holder.js';
import { type Configuration, requestOf } from './configuration.js';
import type { State } from './state.js';

/** The first violation in this state, or undefined. */
export function faultOf(state: State, configuration: Configuration): string | undefined {
  const { store, arena, announced, ingests, fault } = state;
  if (fault !== null) return fault;
  if (store.broken !== undefined) return store.broken;
  for (const { key, ready, place } of store.description.entries) {
    const bytes = arena[place?.page ?? -1];
    if (ready && bytes !== key) return `${key} is ready, and its page has ${bytes}`;
  }
  const straying = strayingByte(state, configuration);
  if (straying !== undefined) return straying;
  for (const [sender, ends] of announced.entries()) {
    const { request } = requestOf(sender);
    if (isContradiction(state, configuration, ends)) return `${request} was announced ${ends.join(', then ')}`;
    const name = nameOf(requestOf(sender));
    const keys = configuration.batches[sender]?.flat() ?? [];
    const holder = store.description.holders.find((other) => other.name === name);
    if (ingests[sender]?.matches('ready') === true && holder !== undefined) {
      const missing = keys.find((key) => !store.description.entries.some((entry) => entry.key === key && entry.ready));
      if (missing !== undefined) return `${request} is ready without ${missing}`;
    }
    if (ingests[sender]?.status === 'done' && holder !== undefined) return `${request} has ended and holds pages`;
  }
  return undefined;
}

/** A byte that may land in a page that does not belong to its write, and is not in quarantine for it (P5). */
function strayingByte({ writes, store }: State, { batches }: Configuration): string | undefined {
  for (const { sender, batch, part, grant, over } of writes) {
    if (over) continue;
    const { request } = requestOf(sender);
    for (const { page, position } of part.placements) {
      const owner = ownerOf(store.description, page);
      if (owner?.writer === nameOf(requestOf(sender)) && owner.grant === grant) continue;
      const key = batches[sender]?.[batch]?.[position];
      return `${key} of ${request} may land in page ${page}, which is ${owner?.writer ?? 'nobody'}'s`;
    }
  }
  return undefined;
}

/** The write that may land in a page now. */
function ownerOf(store: StoreDescription, page: number): { writer: string; grant: string } | undefined {
  const entry = store.entries.find(({ place, ready }) => place?.page === page && !ready);
  return entry?.place ?? store.quarantine.find((quarantined) => quarantined.page === page);
}

/** Two ends, of which no death explains the second. `failed` twice is no contradiction when the agents did not hear each other. */
function isContradiction(
  { receiverDied, budget }: State,
  configuration: Configuration,
  ends: readonly string[],
): boolean {
  if (ends.length < 2) return false;
  if (ends.length > 2) return true;
  const [first = '', second = ''] = ends;
  if (receiverDied && first.endsWith('receiver') && second.endsWith('sender')) return false;
  const isSilent = budget.silence < configuration.budget.silence;
  return !(isSilent && first.startsWith('failed') && second.startsWith('failed'));
}

/** The first violation in this final state, or undefined. */
export function faultAtRest(state: State): string | undefined {
  const { pages, holders, queue, quarantine } = state.store.description;
  const left = pages.findIndex((page) => page.state !== 'free');
  if (left >= 0) return `page ${left} is ${pages[left]?.state} for ever`;
  if (holders.length > 0 || queue.length > 0) return `${holders[0]?.name ?? queue[0]} holds something for ever`;
  if (quarantine.length > 0) return 'something is quarantined for ever';
  for (const [sender, { request, transfers }] of state.senders.entries()) {
    const ends = state.announced[sender] as readonly string[];
    const { request: name } = requestOf(sender);
    if (request === null) {
      // The receiver cannot announce the end of a request that never reached it.
      const isKnown = state.ingests[sender] !== null;
      if (isKnown && ends.length === 0) return `the sender of ${name} died, but no end was announced`;
      continue;
    }
    if (request.context.batches === 0 && state.receiverDied) continue;
    if (request.context.batches === 0) return `${name} was never put`;
    if (request.status !== 'done') return `${name} stays ${JSON.stringify(request.value)} for ever`;
    if (ends.length === 0) return `${name} has ended, but no end was announced`;
    if (state.receiverDied) continue;
    if (ends[0]?.startsWith(`${request.context.end} `) !== true) {
      return `${name} was announced ${ends[0]}, its sender says ${request.context.end}`;
    }
    // A fault of the other request is no reason to fail, because a request that has joined takes over (P2).
    if (state.struck[sender] === false && request.context.end !== 'ready') {
      return `${name} has ended ${request.context.end}, and nothing had happened to it`;
    }
    if (Object.keys(transfers).length > 0) return `a transfer of ${name} never ends`;
  }
  return undefined;
}
