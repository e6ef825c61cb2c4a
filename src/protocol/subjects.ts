/**
 * Every NATS subject of kvferry. Engines and routers address an agent by name (`agent.<name>`), whichever process serves
 * that name. Agents address each other by name and epoch (`peer.<name>.<epoch>`). A message to a process that has died
 * has no subscriber. It fails at once and cannot reach the next process of that name.
 */
import { PROTOCOL_VERSION } from './limits.js';

const root = `kvferry.v${PROTOCOL_VERSION}`;

/** Operations that engines and routers request from an agent. */
export const operations = [
  'put',
  'route',
  'cancel',
  'acquire',
  'release',
  'lookup',
  'status',
  'describe',
  'attach',
  'detach',
  'stage',
  'unstage',
  'open',
  'renew',
  'barrier',
  'end',
  'sources',
  'inspect',
  'journal',
  'explain',
] as const;
export type Operation = (typeof operations)[number];

/** Operations that agents request from each other. */
export const peerOperations = [
  'ping',
  'yield',
  'connect',
  'allocate',
  'commit',
  'abort',
  'drained',
  'inquire',
  'handover',
  'confirm',
  'report',
  'appeal',
  'admit',
  'prepare',
  'verdict',
  'allocated',
  'joined',
  'ended',
] as const;
export type PeerOperation = (typeof peerOperations)[number];

/** Peer operations that have no answer. An agent that misses one finds out with `inquire`. */
export const peerNotices = ['allocated', 'joined', 'ended'] as const satisfies readonly PeerOperation[];
export type PeerNotice = (typeof peerNotices)[number];

export const ends = ['ready', 'failed', 'cancelled', 'expired'] as const;
/** The four ways a request can end. */
export type End = (typeof ends)[number];

export const subjects = {
  /** Public operations of one agent, by name. */
  operation: (agent: string, operation: Operation) => `${root}.agent.${agent}.${operation}`,
  /** Subscription of an agent for its public operations. It also receives unknown operations, to refuse them. */
  operations: (agent: string) => `${root}.agent.${agent}.*`,
  /** Messages between agents, by name and epoch of the addressee. */
  peer: (agent: string, epoch: string, operation: PeerOperation) => `${root}.peer.${agent}.${epoch}.${operation}`,
  peers: (agent: string, epoch: string) => `${root}.peer.${agent}.${epoch}.*`,
  /** Every agent answers, with the reply of `describe`. */
  discover: `${root}.discover`,
  /** Every agent answers, with the reply of `lookup`. */
  lookup: `${root}.lookup`,
  /** Fault orders. The process serves them outside the agent, so an agent that is cut off still receives them. */
  fault: (agent: string) => `${root}.fault.${agent}`,
  heartbeat: (agent: string) => `${root}.heartbeat.${agent}`,
  heartbeats: `${root}.heartbeat.*`,
  /** Terminal event of a request, published by the agent that announces its end. */
  terminal: (agent: string, end: End) => `${root}.event.${agent}.${end}`,
  terminals: `${root}.event.>`,
  /** Audit events of an agent that publishes them. */
  audit: (agent: string) => `${root}.audit.${agent}`,
  /** Source memory that the engine may use again. */
  sourceReleased: (agent: string) => `${root}.source.${agent}`,
} as const;

/** Whether engines, routers and operators send to the subject, and not only agents. */
export function isForEverybody(subject: string): boolean {
  const kind = subject.split('.')[2];
  return kind === 'agent' || kind === 'discover' || kind === 'lookup';
}

/** The operation that a subject names: its last token. */
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
