/** Entries of two agents, as the feed reports them. */
import type { AgentView, EntryView, RequestView } from '../../../../src/observe/inspector/feed.js';
import type { MachineName, StoreAction } from '../../../../src/protocol/observation.js';

const P_EPOCH = '00000000000000aa';
const D_EPOCH = '00000000000000dd';
const about = { request: 'r1', epoch: P_EPOCH } as const;

let n = 0;
const view = (agent: string, timeMs: number, entry: object): EntryView => {
  n += 1;
  const agentEpoch = agent.startsWith('p') ? P_EPOCH : D_EPOCH;
  return { agent, agentEpoch, timeMs, entry: { n, atMs: timeMs - 1000, ...about, ...entry } as EntryView['entry'] };
};

export const state = (agent: string, timeMs: number, machine: MachineName, to: string, more: object = {}): EntryView =>
  view(agent, timeMs, { kind: 'state', machine, actor: `${machine} x`, event: 'some.event', to, done: false, ...more });

export const transfer = (agent: string, timeMs: number, to: string, batch = 0, done = false): EntryView =>
  state(agent, timeMs, 'transfer', to, { actor: `transfer x/${batch}`, batch, done });

/** A message that the agent sent. `timeMs` is the time of its answer. */
export const sent = (agent: string, timeMs: number, operation: string, more: object = {}): EntryView =>
  view(agent, timeMs, { kind: 'message', direction: 'out', operation, ...more });

export const heard = (agent: string, timeMs: number, operation: string, more: object = {}): EntryView =>
  view(agent, timeMs, { kind: 'message', direction: 'in', operation, ...more });

export const stored = (
  agent: string,
  timeMs: number,
  action: StoreAction,
  chunks: number,
  more: object = {},
): EntryView => view(agent, timeMs, { kind: 'store', action, chunks, keys: [], ...more });

export const request = (more: Partial<RequestView> = {}): RequestView => ({
  ...{ ...about, sender: 'p', receiver: 'd', startedMs: 100, changedMs: 120, states: {} },
  ...{ batches: 1, chunks: 2, deduplicated: 0, joined: 0, handedOver: 0 },
  ...more,
});

type PeerRow = AgentView['status']['peers'][number];

export const peer = (agent: string, side: PeerRow['side'], more: Partial<PeerRow> = {}): PeerRow => ({
  ...{ agent, epoch: D_EPOCH, side, state: 'connected and alive', provider: 'tcp', fallback: [] },
  ...more,
});

/** An agent with only the fields that the tests read. */
export const agent = (
  name: string,
  role: 'prefill' | 'decode' | 'both',
  peers: readonly PeerRow[] = [],
  bytesPerS = 0,
): AgentView =>
  ({
    ...{ agent: name, epoch: P_EPOCH, timeMs: 0, rates: { bytesPerS, chunksPerS: 7, requestsPerS: 0 } },
    description: { role },
    status: { peers },
  }) as unknown as AgentView;
