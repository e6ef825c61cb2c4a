/** What every machine keeps to, whatever it is about. */
import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import {
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type AnyStateNode,
  type EventObject,
  getInitialMicrosteps,
  getMicrosteps,
  initialTransition,
  transition,
} from 'xstate';
import { agentMachine } from '../../machines/agent.js';
import { type ConnectionEvent, connectionMachine } from '../../machines/connection.js';
import { type GroupEvent, groupMachine } from '../../machines/group.js';
import { type IngestEvent, ingestMachine } from '../../machines/ingest.js';
import { type LineEvent, lineMachine } from '../../machines/line.js';
import { type PageEvent, pageMachine } from '../../machines/page.js';
import { type PeerEvent, peerMachine } from '../../machines/peer.js';
import { type RankEvent, rankMachine } from '../../machines/rank.js';
import { type RequestEvent, requestMachine } from '../../machines/request.js';
import { type TransferEvent, transferMachine } from '../../machines/transfer.js';
import { failure, stateOf } from './support.js';

/** Events of every type a machine declares. */
type Samples<E extends EventObject> = { readonly [T in E['type']]: readonly Extract<E, { type: T }>[] };

interface Subject {
  readonly machine: AnyStateMachine;
  readonly input: unknown;
  readonly samples: Readonly<Record<string, readonly EventObject[]>>;
  /** Leaves out what cannot happen, such as the end of a transfer that was never started. */
  possible?(context: Record<string, number>, event: EventObject): boolean;
  /** Facts that a state drops without a word, because they are late or are said twice. Commands are never dropped. */
  readonly dropped: Readonly<Record<string, readonly string[]>>;
  /** P7: how time gets a state on its way, and by whom. */
  readonly ways: Readonly<Record<string, readonly [by: string, ...events: EventObject[]]>>;
  /** It runs as long as its agent. */
  readonly isEndless?: true;
}

const after = (machine: AnyStateMachine, delay: string, state: string): EventObject => ({
  type: `xstate.after.${delay}.${machine.id}.${state}`,
});

const transferSamples: Samples<TransferEvent> = {
  'allocate.replied': [
    { type: 'allocate.replied', allocation: { pages: [4, 5], generations: [1, 1], alreadySent: [], joined: [] } },
    { type: 'allocate.replied', allocation: { pages: [4], generations: [1], alreadySent: [0], joined: [0] } },
    { type: 'allocate.replied', allocation: { pages: [], generations: [], alreadySent: [0, 1], joined: [1] } },
    { type: 'allocate.replied', allocation: { pages: [], generations: [], alreadySent: [0, 1], joined: [] } },
    { type: 'allocate.replied', allocation: { pages: [4], generations: [], alreadySent: [0], joined: [] } },
  ],
  'allocate.queued': [{ type: 'allocate.queued' }],
  'allocate.again': [{ type: 'allocate.again' }],
  'allocate.failed': [{ type: 'allocate.failed', failure }],
  'write.delivered': [{ type: 'write.delivered' }],
  'write.again': [
    { type: 'write.again', drained: true },
    { type: 'write.again', drained: false },
  ],
  'write.refused': [{ type: 'write.refused' }],
  'write.failed': [
    { type: 'write.failed', failure, drained: true },
    { type: 'write.failed', failure, drained: false },
  ],
  'commit.accepted': [{ type: 'commit.accepted' }],
  'commit.failed': [{ type: 'commit.failed', failure }],
  'join.resolved': [{ type: 'join.resolved' }],
  'join.handed-over': [
    { type: 'join.handed-over', part: { part: 1, placements: [{ position: 0, page: 3, generation: 2 }] } },
    { type: 'join.handed-over', part: { part: 1, placements: [{ position: 9, page: 3, generation: 2 }] } },
  ],
  'transfer.cancel': [{ type: 'transfer.cancel', failure }],
  'transfer.settle': [{ type: 'transfer.settle' }],
};

const requestSamples: Samples<RequestEvent> = {
  'batch.added': [
    { type: 'batch.added', batch: 0, chunks: 2, last: false },
    { type: 'batch.added', batch: 1, chunks: 2, last: true },
  ],
  'request.routed': [{ type: 'request.routed', receiver: 'd', timeoutMs: 1000, hasRanks: false }],
  'request.withdrawn': [{ type: 'request.withdrawn', failure }],
  'transfer.committed': [{ type: 'transfer.committed', batch: 0 }],
  'transfer.aborted': [
    { type: 'transfer.aborted', batch: 0, failure, drained: true, unanswered: false },
    { type: 'transfer.aborted', batch: 0, failure, drained: true, unanswered: true },
  ],
  'request.cancel': [{ type: 'request.cancel', failure }],
  'request.ended': [
    { type: 'request.ended', end: 'ready', failure: null },
    { type: 'request.ended', end: 'cancelled', failure },
  ],
  'receiver.lost': [{ type: 'receiver.lost', failure }],
  'abort.acknowledged': [{ type: 'abort.acknowledged', end: 'failed', failure: null }],
  'abort.unreachable': [{ type: 'abort.unreachable' }],
  'confirm.agreed': [{ type: 'confirm.agreed' }],
  'end.certain': [{ type: 'end.certain' }],
};

const ingestSamples: Samples<IngestEvent> = {
  'batch.allocated': [
    { type: 'batch.allocated', batch: 0, last: false, written: 1, ready: 0, joined: 1, bytes: 10, own: true },
    { type: 'batch.allocated', batch: 1, last: true, written: 1, ready: 1, joined: 0, bytes: 10, own: true },
  ],
  'chunks.ready': [
    { type: 'chunks.ready', batch: 0, written: 1, joined: 0, own: true },
    { type: 'chunks.ready', batch: 0, written: 0, joined: 1, own: false },
  ],
  'batch.held': [{ type: 'batch.held' }],
  'batch.queued': [{ type: 'batch.queued' }],
  'chunks.handed-over': [{ type: 'chunks.handed-over', chunks: 1, bytes: 10 }],
  'chunks.declined': [{ type: 'chunks.declined', chunks: 1, bytes: 10 }],
  'ingest.end': [{ type: 'ingest.end', end: 'cancelled', failure }],
  'ingest.abort': [{ type: 'ingest.abort', failure }],
  'end.agreed': [{ type: 'end.agreed' }],
  'end.refused': [{ type: 'end.refused', failure }],
  'end.announced': [
    { type: 'end.announced', end: 'failed', failure },
    { type: 'end.announced', end: 'ready', failure: null },
  ],
  'leases.ended': [{ type: 'leases.ended', cause: 'released' }],
};

const groupSamples: Samples<GroupEvent> = {
  'rank.came': [
    { type: 'rank.came', rank: 0 },
    { type: 'rank.came', rank: 1 },
  ],
  'rank.admitted': [{ type: 'rank.admitted', rank: 0 }],
  'rank.completed': [
    { type: 'rank.completed', rank: 0 },
    { type: 'rank.completed', rank: 1 },
  ],
  'rank.failed': [{ type: 'rank.failed', rank: 1, end: 'failed', failure }],
  'group.end': [{ type: 'group.end', end: 'cancelled', failure }],
  'ranks.prepared': [{ type: 'ranks.prepared' }],
  'ranks.told': [{ type: 'ranks.told' }],
  'end.certain': [{ type: 'end.certain' }],
  'end.refused': [{ type: 'end.refused', failure }],
  'end.announced': [{ type: 'end.announced', end: 'failed', failure }],
};

const rankSamples: Samples<RankEvent> = {
  'rank.changed': [
    { type: 'rank.changed', state: 'complete', reason: null },
    { type: 'rank.changed', state: 'cancelled', reason: failure },
  ],
  'rank.prepared': [{ type: 'rank.prepared' }],
  'rank.close': [{ type: 'rank.close' }],
  'report.ended': [{ type: 'report.ended' }],
  'turn.given': [{ type: 'turn.given', epochs: ['e'] }],
  'end.decided': [{ type: 'end.decided', end: 'ready', failure: null }],
  'appeal.ended': [{ type: 'appeal.ended' }],
  'lead.refused': [{ type: 'lead.refused', failure }],
  'lead.lost': [
    { type: 'lead.lost', failure, proven: false },
    { type: 'lead.lost', failure, proven: true },
  ],
};

const peerSamples: Samples<PeerEvent> = {
  'peer.heard': [{ type: 'peer.heard', heartbeatMs: 100 }],
  'peer.left': [{ type: 'peer.left', failure }],
  'self.heard': [{ type: 'self.heard' }],
  'line.down': [{ type: 'line.down' }],
  'line.up': [{ type: 'line.up' }],
};

const connectionSamples: Samples<ConnectionEvent> = {
  'connection.opened': [{ type: 'connection.opened' }],
  'connection.failed': [{ type: 'connection.failed', failure }],
  'connection.broken': [{ type: 'connection.broken' }],
  'line.down': [{ type: 'line.down' }],
  'line.up': [{ type: 'line.up' }],
};

const lineSamples: Samples<LineEvent> = {
  'self.heard': [{ type: 'self.heard' }],
  'nats.away': [{ type: 'nats.away' }],
  'nats.back': [{ type: 'nats.back' }],
};

const agentSamples = {
  'agent.started': [{ type: 'agent.started' }],
  'agent.drain': [{ type: 'agent.drain' }],
  'agent.fence': [{ type: 'agent.fence', failure }],
  'agent.fenced': [{ type: 'agent.fenced' }],
  'agent.idle': [{ type: 'agent.idle' }],
  'agent.closed': [{ type: 'agent.closed' }],
};

const pageSamples: Readonly<Record<PageEvent, readonly EventObject[]>> = {
  'page.allocated': [{ type: 'page.allocated' }],
  'page.committed': [{ type: 'page.committed' }],
  'page.abandoned': [{ type: 'page.abandoned' }],
  'page.quarantined': [{ type: 'page.quarantined' }],
  'page.drained': [{ type: 'page.drained' }],
  'page.fenced': [{ type: 'page.fenced' }],
  'page.released': [{ type: 'page.released' }],
};

const allocate = ['allocate.queued', 'allocate.again', 'allocate.replied', 'allocate.failed'];
const write = ['write.delivered', 'write.again', 'write.failed', 'write.refused'];
const commit = ['commit.accepted', 'commit.failed'];
const waits = ['batch.held', 'batch.queued'];
const agreement = ['end.agreed', 'end.refused'];
const decision = ['end.announced', 'end.certain', 'end.refused'];
const progress = ['rank.admitted', 'rank.came', 'rank.completed'];
const abort = ['abort.acknowledged', 'abort.unreachable', 'end.certain'];
const cancelled = ["the request's deadline", { type: 'transfer.cancel', failure }] as const;
const transfersEnd = { type: 'transfer.aborted', batch: 0, failure, drained: false, unanswered: true };
const given = {
  up: [
    "the receiver's answer, or its loss, the drainTimeout of the transfers",
    { type: 'abort.unreachable' },
    transfersEnd,
  ],
} as const;

const failed = { type: 'connection.failed', failure };
const heardItself = ['NATS, which brings its heartbeat back, or is away', { type: 'self.heard' }] as const;

const requestTimes = { timeoutMs: 1000, inquireIntervalMs: 100, tombstoneMs: 5000 };

const subjects: Readonly<Record<string, Subject>> = {
  transfer: {
    machine: transferMachine,
    input: { transfer: 'e/r/0', batch: 0, chunkCount: 2, arenaPages: 10, drainTimeoutMs: 500 },
    samples: transferSamples,
    dropped: {
      allocating: ['allocate.again', ...write, ...commit],
      queued: ['allocate.queued', ...write, ...commit],
      writing: [...allocate, ...commit],
      committing: [...allocate, ...write],
      joining: [...allocate, ...write, ...commit],
      draining: [...allocate, ...commit, 'write.again', 'write.refused', 'join.resolved', 'join.handed-over'],
    },
    ways: {
      allocating: cancelled,
      queued: cancelled,
      writing: cancelled,
      committing: cancelled,
      joining: cancelled,
      draining: ['itself', after(transferMachine, 'drainTimeout', 'draining')],
    },
  },
  request: {
    machine: requestMachine,
    input: { request: 'r', epoch: 'e', receiver: null, totalChunks: 4, hasRanks: false, ...requestTimes },
    samples: requestSamples,
    possible: ({ active = 0, batches = 0 }, { type }) =>
      type === 'batch.added' ? batches < 2 : type.startsWith('transfer.') ? active > 0 : true,
    dropped: {
      offered: ['receiver.lost', 'transfer.committed', 'transfer.aborted', ...abort],
      'running.open': abort,
      'running.settling': ['batch.added', 'transfer.committed', ...abort],
      settled: ['batch.added', 'receiver.lost', ...abort],
      'aborting.asking': ['batch.added', 'receiver.lost'],
      'aborting.silent': ['abort.unreachable', 'batch.added', 'receiver.lost'],
      'aborting.doubting': ['abort.unreachable', 'batch.added', 'receiver.lost'],
      'aborting.draining': ['abort.unreachable', 'batch.added', 'receiver.lost'],
    },
    ways: {
      offered: ['itself', after(requestMachine, 'deadline', 'offered')],
      'running.open': ['itself', after(requestMachine, 'deadline', 'running')],
      'running.settling': ['itself', after(requestMachine, 'deadline', 'running')],
      settled: ['its transfers, which it told to settle', transfersEnd],
      'aborting.asking': given.up,
      'aborting.silent': given.up,
      'aborting.doubting': ['itself', after(requestMachine, 'forgotten', 'aborting.doubting')],
      'aborting.draining': given.up,
    },
  },
  ingest: {
    machine: ingestMachine,
    input: { request: 'r', epoch: 'e', sender: 'p', totalChunks: 4, timeoutMs: 1000, rank: 1 },
    samples: ingestSamples,
    possible: ({ batches = 0, pending = 0 }, { type }) =>
      type === 'batch.allocated' ? batches < 2 : type === 'chunks.ready' ? pending > 0 : true,
    dropped: {
      'running.waiting': [
        'batch.queued',
        'chunks.ready',
        'chunks.handed-over',
        'chunks.declined',
        'leases.ended',
        ...agreement,
      ],
      'running.held': [
        'batch.held',
        'chunks.ready',
        'chunks.handed-over',
        'chunks.declined',
        'leases.ended',
        ...agreement,
      ],
      'running.receiving': [...waits, 'leases.ended', ...agreement],
      'running.gathering': [
        ...waits,
        'batch.allocated',
        'chunks.ready',
        'chunks.handed-over',
        'chunks.declined',
        'leases.ended',
        ...agreement,
      ],
      deciding: [...waits, 'batch.allocated', 'chunks.ready', 'chunks.handed-over', 'chunks.declined', 'leases.ended'],
      ready: [
        ...waits,
        'batch.allocated',
        'chunks.ready',
        'chunks.handed-over',
        'chunks.declined',
        'end.announced',
        ...agreement,
      ],
    },
    ways: {
      'running.waiting': ['itself', after(ingestMachine, 'deadline', 'running')],
      'running.held': ['itself', after(ingestMachine, 'deadline', 'running')],
      'running.receiving': ['itself', after(ingestMachine, 'deadline', 'running')],
      'running.gathering': ['itself', after(ingestMachine, 'deadline', 'running')],
      deciding: ["the answer of the sender or of the ranks' lead, or its loss", { type: 'end.agreed' } as EventObject],
      ready: ['the lease time of the store', { type: 'leases.ended', cause: 'expired' } as EventObject],
    },
  },
  group: {
    machine: groupMachine,
    input: { request: 'r', receivers: ['d0', 'd1'], timeoutMs: 1000 },
    samples: groupSamples,
    dropped: {
      'open.collecting': ['ranks.prepared', 'ranks.told', ...decision],
      'open.preparing': [...progress, 'ranks.told', ...decision],
      'open.deciding': [...progress, 'ranks.prepared', 'ranks.told'],
      telling: [...progress, 'rank.failed', 'ranks.prepared', ...decision],
    },
    ways: {
      'open.collecting': ['itself', after(groupMachine, 'deadline', 'open')],
      'open.preparing': ['itself', after(groupMachine, 'deadline', 'open')],
      'open.deciding': ["the sender's answer, or its loss", { type: 'end.certain' } as EventObject],
      telling: ["the ranks' answers, or their loss", { type: 'ranks.told' } as EventObject],
    },
  },
  rank: {
    machine: rankMachine,
    input: { timeoutMs: 1000, intervalMs: 100, searchMs: 250, appeals: true },
    samples: rankSamples,
    possible: ({ asking = 0 }, { type }) =>
      type === 'rank.changed' ? asking < 2 : !type.startsWith('report.') || asking > 0,
    dropped: {
      idle: ['appeal.ended', 'lead.lost', 'lead.refused', 'report.ended', 'turn.given'],
      'live.following': ['appeal.ended'],
      'live.appealing': ['lead.lost', 'lead.refused', 'turn.given'],
      'live.alone.reporting': ['appeal.ended', 'lead.lost', 'turn.given'],
    },
    ways: {
      idle: ['itself', after(rankMachine, 'deadline', 'idle')],
      'live.following': ["the lead's answer, or its loss", { type: 'lead.lost', failure, proven: true } as EventObject],
      'live.appealing': ['the answer of the sender of rank 0, or its loss', { type: 'appeal.ended' } as EventObject],
      'live.alone.reporting': [
        'itself',
        after(rankMachine, 'search', 'live.alone'),
        after(rankMachine, 'deadline', 'live'),
      ],
    },
  },
  peer: {
    machine: peerMachine,
    input: { agent: 'a', epoch: 'e', heartbeatMs: 100 },
    samples: peerSamples,
    dropped: {
      alive: ['line.up', 'self.heard'],
      'suspect.listening': ['line.up'],
      'suspect.asking': ['line.up', 'self.heard'],
      'suspect.listeningAgain': ['line.up'],
      'suspect.overdue': ['line.up', 'self.heard'],
      unheard: ['self.heard'],
    },
    ways: {
      alive: ['itself', after(peerMachine, 'suspectAfter', 'alive')],
      'suspect.listening': heardItself,
      'suspect.asking': ['itself', after(peerMachine, 'askFor', 'suspect.asking')],
      'suspect.listeningAgain': heardItself,
      'suspect.overdue': ['itself', after(peerMachine, 'stragglers', 'suspect.overdue')],
      unheard: ['the line, which is up again', { type: 'line.up' }],
    },
  },
  connection: {
    machine: connectionMachine,
    input: { agent: 'a' },
    samples: connectionSamples,
    dropped: {
      connecting: ['line.up'],
      interrupted: ['line.down'],
      'connected.online': ['line.up'],
      'connected.offline': ['line.down'],
    },
    ways: {
      connecting: ['the attempt, which ends in time', failed],
      interrupted: ['the line, which is up again', { type: 'line.up' }],
      // A connection serves as long as it holds.
      'connected.online': ['its end', { type: 'connection.broken' }],
      'connected.offline': ['its end', { type: 'connection.broken' }],
    },
  },
  line: {
    machine: lineMachine,
    input: { heartbeatMs: 100 },
    samples: lineSamples,
    isEndless: true,
    dropped: {
      up: ['nats.back'],
      overdue: ['nats.back'],
      'down.unheard': ['nats.back'],
      'down.away': [],
      'down.returning': ['nats.back'],
    },
    ways: {
      up: ['itself', after(lineMachine, 'overdueAfter', 'up')],
      overdue: ['itself', after(lineMachine, 'thisTurn', 'overdue')],
      'down.unheard': ['itself', after(lineMachine, 'reconnectAfter', 'down.unheard')],
      'down.reconnecting': heardItself,
      'down.away': ['the NATS client', { type: 'nats.back' }],
      'down.returning': ['itself', after(lineMachine, 'overdueAfter', 'down.returning')],
    },
  },
  agent: {
    machine: agentMachine,
    input: { drainTimeoutMs: 1000, closeTimeoutMs: 500 },
    samples: agentSamples,
    dropped: {},
    ways: {
      starting: ['the process, which gives up starting', { type: 'agent.drain' }],
      running: ['the process, when it must stop', { type: 'agent.drain' }],
      draining: ['itself', after(agentMachine, 'drainTimeout', 'draining')],
      fencing: ['itself', after(agentMachine, 'closeTimeout', 'fencing')],
      closing: ['itself', after(agentMachine, 'closeTimeout', 'closing')],
    },
  },
};

/** A page has no effects, and its table says of every event whether it is allowed. */
const page: Subject = { machine: pageMachine, input: undefined, samples: pageSamples, dropped: {}, ways: {} };

function delays(machine: AnyStateMachine): EventObject[] {
  return machine.events.filter((type) => type.startsWith('xstate.after.')).map((type) => ({ type }));
}

/** Every situation that can be reached in a few steps, and every state that is passed on the way. */
function explore({ machine, input, samples, possible = () => true }: Subject) {
  const events = [...Object.values(samples).flat(), ...delays(machine)];
  const passed = new Set<string>();
  const note = (steps: [AnyMachineSnapshot, unknown][]) => {
    for (const [step] of steps) {
      for (const node of step._nodes) passed.add(node.path.join('.'));
    }
  };
  const [first] = initialTransition(machine, input);
  note(getInitialMicrosteps(machine, input) as [AnyMachineSnapshot, unknown][]);
  const reached = new Map<string, AnyMachineSnapshot>([[nameOf(first), first]]);
  for (const snapshot of reached.values()) {
    if (snapshot.status !== 'active' || reached.size > 5000) continue;
    for (const event of events) {
      if (!possible(snapshot.context, event)) continue;
      note(getMicrosteps(machine, snapshot, event) as [AnyMachineSnapshot, unknown][]);
      const [next] = transition(machine, snapshot, event);
      if (!reached.has(nameOf(next))) reached.set(nameOf(next), next);
    }
  }
  return { passed, situations: [...reached.values()] };
}

function nameOf({ value, context, status }: AnyMachineSnapshot): string {
  return JSON.stringify([value, context, status]);
}

function nodesIn(node: AnyStateNode): AnyStateNode[] {
  return [node, ...Object.values(node.states).flatMap((child) => nodesIn(child))];
}

function prefixOf(type: string): string {
  return type.slice(0, type.indexOf('.'));
}

/** Types that the states it is in, and those around them, handle by name. */
function handledIn(snapshot: AnyMachineSnapshot): Set<string> {
  return new Set(snapshot._nodes.flatMap((node) => node.ownEvents));
}

describe.each(Object.entries({ ...subjects, page }))('%s', (_name, subject) => {
  const { machine, samples } = subject;
  const { passed, situations } = explore(subject);

  test('every state can be reached', () => {
    const all = nodesIn(machine.root).map((node) => node.path.join('.'));
    expect([...passed].sort()).toEqual(all.sort());
  });

  test('every event it declares means something in some state, and it knows no other', () => {
    const known = machine.events.filter((type) => !type.startsWith('xstate.') && !type.endsWith('.*') && type !== '');
    expect(known.sort()).toEqual(Object.keys(samples).sort());
  });

  test('no bare wildcard, which would swallow the errors of its children too', () => {
    expect(machine.events).not.toContain('*');
  });

  test('an end is an end: a final state knows no event', () => {
    const finals = nodesIn(machine.root).filter((node) => node.type === 'final');
    for (const node of finals) expect([...node.ownEvents, ...Object.keys(node.states)], node.id).toEqual([]);
    for (const snapshot of situations) {
      const isFinal = finals.some((node) => node.path.join('.') === stateOf(snapshot.value));
      expect(snapshot.status).toBe(isFinal ? 'done' : 'active');
    }
  });
});

describe.each(Object.entries(subjects))('%s', (name, subject) => {
  const { machine, samples, dropped, ways, isEndless = false } = subject;
  const { situations } = explore(subject);
  const live = situations.filter((snapshot) => snapshot.status === 'active');
  const states = [...new Set(live.map(({ value }) => stateOf(value)))].sort();

  test('an unknown or untimely command is reported and changes nothing', () => {
    for (const snapshot of live) {
      const [next, actions] = transition(machine, snapshot, { type: `${name}.nonsense` });
      expect(nameOf(next)).toBe(nameOf(snapshot));
      expect(actions.map(({ type }) => type)).toEqual(['reportUnexpected']);
    }
  });

  test('facts that a state drops are dropped on purpose', () => {
    const found = Object.fromEntries(
      live.map((snapshot) => {
        const handled = handledIn(snapshot);
        const facts = Object.keys(samples).filter((type) => prefixOf(type) !== name && !handled.has(type));
        return [stateOf(snapshot.value), facts.sort()];
      }),
    );
    const intended = Object.fromEntries(states.map((state) => [state, [...(dropped[state] ?? [])].sort()]));
    expect(found).toEqual(intended);
  });

  test('P7: every state in which it waits has a way out by time', () => {
    expect(Object.keys(ways).sort()).toEqual(states);
    for (const start of live) {
      let snapshot: AnyMachineSnapshot = start;
      for (let step = 0; step < 10 && snapshot.status === 'active'; step += 1) {
        const [by, ...events] = ways[stateOf(snapshot.value)] as readonly [string, ...EventObject[]];
        const before = nameOf(snapshot);
        for (const event of events) {
          const transfersLeft = snapshot.context.active !== 0;
          if (event.type === 'transfer.aborted' && !transfersLeft) continue;
          if (snapshot.status === 'active') [snapshot] = transition(machine, snapshot, event);
        }
        expect(nameOf(snapshot), `${by} moves ${before}`).not.toBe(before);
      }
      expect(snapshot.status, nameOf(start)).toBe(isEndless ? 'active' : 'done');
    }
  });
});

describe('machines/ is pure', () => {
  test('a machine imports xstate, its like, and types of messages, nothing else', async () => {
    const folder = new URL('../../machines/', import.meta.url);
    const files = (await readdir(folder)).filter((file) => file.endsWith('.ts')).sort();
    expect(files).toEqual(expect.arrayContaining(Object.keys({ ...subjects, page }).map((name) => `${name}.ts`)));
    const foreign: string[] = [];
    for (const file of files) {
      const source = await readFile(new URL(file, folder), 'utf8');
      const text = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      for (const [line, , from = ''] of text.matchAll(/^\s*(import|export)\b[^;]*?from\s+'([^']+)'/gm)) {
        const isType = /^\s*(import|export) type\b/.test(line);
        const allowed = from === 'xstate' || from.startsWith('./') || (from.startsWith('../src/protocol/') && isType);
        if (!allowed) foreign.push(`${file}: ${line}`);
      }
      expect(text, file).not.toMatch(
        /\bimport\s*\(|\brequire\s*\(|\bDate\.now\b|\bMath\.random\b|\bprocess\.|\bsetTimeout\b/,
      );
    }
    expect(foreign).toEqual([]);
  });
});
