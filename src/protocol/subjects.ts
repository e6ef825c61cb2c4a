/**
 * Every NATS subject of kvferry. Two kinds of address: a *name* (`agent.<id>`), for engines and routers, who do not care
 * which process answers, and an *epoch* (`peer.<id>.<epoch>`), between agents: a message for a process that has died
 * finds no listener and fails at once instead of reaching its successor.
 */
import { PROTOCOL_VERSION } from './limits.js';

const root = `kvferry.v${PROTOCOL_VERSION}`;

/** What engines and routers may ask an agent for. */
export const operations = [
  'put',
  'cancel',
  'acquire',
  'release',
  'status',
  'describe',
  'attach',
  'detach',
  'stage',
  'unstage',
  'inspect',
  'journal',
  'explain',
] as const;
export type Operation = (typeof operations)[number];

/** What agents ask each other for. */
export const peerOperations = [
  'connect',
  'allocate',
  'commit',
  'abort',
  'drained',
  'inquire',
  'handover',
  'confirm',
  'report',
  'verdict',
  'joined',
  'ended',
] as const;
export type PeerOperation = (typeof peerOperations)[number];

/** Of these, the ones nobody answers: who misses one asks (`inquire`). */
export const peerNotices = ['joined', 'ended'] as const satisfies readonly PeerOperation[];
export type PeerNotice = (typeof peerNotices)[number];

export const ends = ['ready', 'failed', 'cancelled', 'expired'] as const;
/** The four ways a request can end. */
export type End = (typeof ends)[number];

export const subjects = {
  /** Public operations of one agent, by name. */
  operation: (agent: string, operation: Operation) => `${root}.agent.${agent}.${operation}`,
  /** What an agent subscribes to for its public operations; catches unknown ones too. */
  operations: (agent: string) => `${root}.agent.${agent}.*`,
  /** Messages between agents, by name and epoch. */
  peer: (agent: string, epoch: string, operation: PeerOperation) => `${root}.peer.${agent}.${epoch}.${operation}`,
  peers: (agent: string, epoch: string) => `${root}.peer.${agent}.${epoch}.*`,
  /** Every agent answers with what `describe` says. */
  discover: `${root}.discover`,
  /** Faults on request. Not an operation of the agent: it knows nothing of what is done to it. */
  fault: (agent: string) => `${root}.fault.${agent}`,
  heartbeat: (agent: string) => `${root}.heartbeat.${agent}`,
  heartbeats: `${root}.heartbeat.*`,
  /** The one terminal event of a request, published by the agent that announces it. */
  terminal: (agent: string, end: End) => `${root}.event.${agent}.${end}`,
  terminals: `${root}.event.>`,
  /** What has become of chunks, when that is published. */
  audit: (agent: string) => `${root}.audit.${agent}`,
  /** Source memory that its engine may use again. */
  sourceReleased: (agent: string) => `${root}.source.${agent}`,
} as const;

/** The last token of a subject: the operation it names. */
export function operationOf(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}

/** The name of the message that a subject carries: `allocate`, `put`, `heartbeat`, `event`. */
export function messageOf(subject: string): string {
  const tokens = subject.split('.');
  // kvferry.v1.agent.<name>.<operation>, kvferry.v1.peer.<name>.<epoch>.<operation>, kvferry.v1.event.<name>.<end>
  const kind = tokens[2] ?? '';
  return kind === 'agent' || kind === 'peer' ? (tokens.at(-1) ?? '') : kind;
}
