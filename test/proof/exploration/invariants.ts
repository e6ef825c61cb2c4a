/** What must hold in every situation, and what must hold where nothing more can happen. */
import { nameOf } from '../../../src/store/holder.js';
import { type Configuration, requestOf } from './configuration.js';
import type { State } from './state.js';

/** The first thing that is wrong, or undefined. */
export function faultOf(state: State, configuration: Configuration): string | undefined {
  const { store, arena, announced, ingests, fault } = state;
  if (fault !== null) return fault;
  if (store.broken !== undefined) return store.broken;
  for (const { key, ready, place } of store.description.entries) {
    const bytes = arena[place?.page ?? -1];
    if (ready && bytes !== key) return `${key} is ready, and its page has ${bytes}`;
  }
  for (const [sender, ends] of announced.entries()) {
    const { request } = requestOf(sender);
    if (ends.length > 1) return `${request} was announced ${ends.join(', then ')}`;
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

/** The first thing that is not as it should be at the end of everything, or undefined. */
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
      // Of what the receiver never heard it cannot tell.
      if (state.ingests[sender] !== null && ends.length !== 1) return `the sender of ${name} died, and nobody was told`;
      continue;
    }
    if (request.context.batches === 0) return `${name} was never put`;
    if (request.status !== 'done') return `${name} stays ${JSON.stringify(request.value)} for ever`;
    if (ends.length !== 1) return `${name} has ended, and nobody was told`;
    if (ends[0]?.startsWith(`${request.context.end} `) !== true) {
      return `${name} was announced ${ends[0]}, its sender says ${request.context.end}`;
    }
    // What happens to the other one is no reason to fail: who has joined takes over (P2).
    if (state.struck[sender] === false && request.context.end !== 'ready') {
      return `${name} has ended ${request.context.end}, and nothing had happened to it`;
    }
    if (Object.keys(transfers).length > 0) return `a transfer of ${name} never ends`;
  }
  return undefined;
}
