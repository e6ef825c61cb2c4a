/** The known state of each request, assembled from the journals of all its agents. */
import type { MessageEntry, StateEntry, StoreEntry } from '../../../protocol/observation.js';
import { isSampled } from '../../../protocol/sampling.js';
import { ends } from '../../../protocol/subjects.js';
import type { EntryView, RequestView } from '../feed.js';
import type { Happening } from './happening.js';

/** Most requests. The oldest are dropped. */
const REQUESTS_MAX = 5000;
/** Most keys by which a request can be found. */
const KEYS_PER_REQUEST_MAX = 64;

type Side = keyof RequestView['states'];
/** A request under construction from entries. */
type Known = { -readonly [Field in keyof RequestView]: RequestView[Field] };

interface BookedRequest {
  readonly view: Known;
  readonly keys: readonly string[];
}

/** Every field that is set must match. */
export interface RequestQuery {
  /** Part of an id or a key. */
  readonly text?: string | undefined;
  readonly agent?: string | undefined;
  /** State of one of its machines, or its end. */
  readonly state?: string | undefined;
  /** Part of the code of the reason. */
  readonly reason?: string | undefined;
}

export class RequestBook {
  readonly #requests: Map<string, BookedRequest>;

  constructor(requests: Iterable<readonly [string, BookedRequest]> = []) {
    this.#requests = new Map(requests);
  }

  clone(): RequestBook {
    const copies = [...this.#requests].map(([id, { view, keys }]) => [id, { view: { ...view }, keys }] as const);
    return new RequestBook(copies);
  }

  /** Returns the changed request. */
  apply(happening: Happening): RequestView | undefined {
    switch (happening.kind) {
      case 'entry':
        return this.#entry(happening.view);
      case 'sampled':
        for (const [id, { view }] of this.#requests) {
          if (view.end === undefined && !isSampled(view.request, happening.oneIn)) this.#requests.delete(id);
        }
        return undefined;
      case 'gone':
        for (const { view } of this.#requests.values()) this.#sideGone(view, happening.agent);
        return undefined;
      case 'found':
        return undefined;
    }
  }

  find(epoch: string, request: string): RequestView | undefined {
    return this.#requests.get(idOf(epoch, request))?.view;
  }

  /** Newest first. */
  list(query: RequestQuery, limit: number): RequestView[] {
    const found = [...this.#requests.values()].filter(({ view, keys }) => matches(view, keys, query));
    return found
      .map(({ view }) => view)
      .sort((a, b) => b.startedMs - a.startedMs)
      .slice(0, limit);
  }

  #entry(entryView: EntryView): RequestView | undefined {
    const { agent, timeMs, entry } = entryView;
    const { request } = entry;
    if (request === undefined) return undefined;
    const id = idOf(epochOf(entryView), request);
    const booked = this.#requests.get(id) ?? this.#begun(entryView);
    if (booked === undefined) return undefined;
    const { view, keys } = booked;
    view.startedMs = Math.min(view.startedMs, timeMs);
    view.changedMs = Math.max(view.changedMs, timeMs);
    if (entry.batch !== undefined) view.batches = Math.max(view.batches, entry.batch + 1);
    switch (entry.kind) {
      case 'state':
        readState(view, agent, entry);
        break;
      case 'message':
        readMessage(view, entry, timeMs);
        break;
      case 'store':
        readStore(view, entry, timeMs);
        if (keys.length < KEYS_PER_REQUEST_MAX) this.#requests.set(id, { view, keys: withKeys(keys, entry.keys) });
        break;
    }
    return view;
  }

  /** Only a started machine makes a request. Readers that only lease pages have no machine. */
  #begun(entryView: EntryView): BookedRequest | undefined {
    const { timeMs, entry } = entryView;
    if (entry.kind !== 'state' || entry.request === undefined) return undefined;
    const epoch = epochOf(entryView);
    const view = { request: entry.request, epoch, startedMs: timeMs, changedMs: timeMs, states: {}, ...NOTHING_YET };
    const booked = { view, keys: [] };
    this.#requests.set(idOf(epoch, entry.request), booked);
    for (const oldest of this.#requests.keys()) {
      if (this.#requests.size <= REQUESTS_MAX) break;
      this.#requests.delete(oldest);
    }
    return booked;
  }

  #sideGone(view: Known, agent: string): void {
    if (view.sender === agent) view.states = withState(view.states, 'sender', undefined);
    if (view.receiver === agent) view.states = withState(view.states, 'receiver', undefined);
  }
}

const NOTHING_YET = { batches: 0, chunks: 0, deduplicated: 0, joined: 0, handedOver: 0 };

function readState(view: Known, agent: string, entry: StateEntry): void {
  const { machine, peer, to, done, reason, rank, rankCount } = entry;
  switch (machine) {
    case 'request':
      view.sender = agent;
      if (peer !== undefined) view.receiver ??= peer;
      view.states = withState(view.states, 'sender', done ? undefined : to);
      break;
    case 'ingest':
      view.receiver = agent;
      if (peer !== undefined) view.sender ??= peer;
      view.states = withState(view.states, 'receiver', done ? undefined : to);
      break;
    case 'transfer':
    case 'agent':
    case 'line':
    case 'peer':
    case 'connection':
    case 'group':
      break;
  }
  const isOfRequest = machine === 'request' || machine === 'ingest';
  if (isOfRequest && rank !== undefined && rankCount !== undefined) {
    view.rank = rank;
    view.rankCount = rankCount;
  }
  if (isOfRequest && done && reason !== undefined) view.reason ??= reason;
}

/** The agent that decides announces the end once. */
function readMessage(view: Known, { operation, direction }: MessageEntry, timeMs: number): void {
  const end = ends.find((each) => operation === `event.${each}`);
  if (direction !== 'out' || end === undefined) return;
  view.end = end;
  view.endedMs ??= timeMs;
}

function readStore(view: Known, { action, chunks, detail }: StoreEntry, timeMs: number): void {
  switch (action) {
    case 'allocated':
      view.chunks += chunks;
      break;
    case 'deduplicated':
      view.chunks += chunks;
      view.deduplicated += chunks;
      break;
    case 'joined':
      view.chunks += chunks;
      view.joined += chunks;
      break;
    case 'handed-over':
      view.handedOver += chunks;
      break;
    case 'ended': {
      const end = ends.find((each) => detail?.split(':')[0] === each);
      if (end === undefined) break;
      view.end ??= end;
      view.endedMs ??= timeMs;
      break;
    }
    default:
      break;
  }
}

/** Only a message to the sender itself has no epoch. */
export function epochOf({ agentEpoch, entry }: EntryView): string {
  return entry.epoch ?? agentEpoch;
}

function withState(states: RequestView['states'], side: Side, state: string | undefined): RequestView['states'] {
  const { [side]: _, ...others } = states;
  return state === undefined ? others : { ...others, [side]: state };
}

function withKeys(keys: readonly string[], more: readonly string[]): readonly string[] {
  const added = more.filter((key) => !keys.includes(key));
  return added.length === 0 ? keys : [...keys, ...added].slice(0, KEYS_PER_REQUEST_MAX);
}

function matches(view: RequestView, keys: readonly string[], { text, agent, state, reason }: RequestQuery): boolean {
  const { sender, receiver, states, end } = view;
  const has = (name: string) => name.includes(text ?? '');
  if (text !== undefined && !has(view.request) && !keys.some(has)) return false;
  if (agent !== undefined && sender !== agent && receiver !== agent) return false;
  if (state !== undefined && ![states.sender, states.receiver, end].includes(state)) return false;
  return reason === undefined || view.reason?.code.includes(reason) === true;
}

function idOf(epoch: string, request: string): string {
  return `${epoch}/${request}`;
}
