/**
 * Every NATS subject of kvferry. Engines and routers address an agent by name (`agent.<name>`), whichever process serves
 * that name. Agents address each other by name and epoch (`peer.<name>.<epoch>`). A message to a process that has died
 * has no subscriber. It fails at once and cannot reach the next process of that name.
 *
 * Who speaks is in the subject too: `peer.<name>.<epoch>.<sender>`, `heartbeat.<sender>`, `event.<sender>`. NATS permissions
 * let each agent publish under its own name only, and receivers believe the subject and no name in a body (P31). Engines and
 * routers say in the subject for which tenant they ask: `agent.<name>.<tenant>`, `event.<name>.<tenant>` (P32).
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
  /** Public operations of one agent, by name, and the tenant that asks. */
  operation: (agent: string, tenant: string, operation: Operation) => `${root}.agent.${agent}.${tenant}.${operation}`,
  /** Subscription of an agent for its public operations. It also receives unknown operations, to refuse them. */
  operations: (agent: string) => `${root}.agent.${agent}.*.*`,
  /** Messages between agents, by name and epoch of the addressee, and by name of the agent that sends them. */
  peer: (agent: string, epoch: string, from: string, operation: PeerOperation) =>
    `${root}.peer.${agent}.${epoch}.${from}.${operation}`,
  peers: (agent: string, epoch: string) => `${root}.peer.${agent}.${epoch}.*.*`,
  /** Every agent answers, with the reply of `describe`. */
  discover: `${root}.discover`,
  /** Every agent answers, with the reply of `lookup`. */
  lookup: (tenant: string) => `${root}.lookup.${tenant}`,
  lookups: `${root}.lookup.*`,
  /** Fault orders. The process serves them outside the agent, so an agent that is cut off still receives them. */
  fault: (agent: string) => `${root}.fault.${agent}`,
  heartbeat: (agent: string) => `${root}.heartbeat.${agent}`,
  heartbeats: `${root}.heartbeat.*`,
  /** Terminal event of a request of a tenant, published by the agent that announces its end. */
  terminal: (agent: string, tenant: string, end: End) => `${root}.event.${agent}.${tenant}.${end}`,
  terminalsOf: (tenant: string) => `${root}.event.*.${tenant}.*`,
  terminals: `${root}.event.>`,
  /** Audit events of an agent that publishes them. */
  audit: (agent: string) => `${root}.audit.${agent}`,
  /** Source memory that the engines of a tenant may use again. */
  sourceReleased: (agent: string, tenant: string) => `${root}.source.${agent}.${tenant}`,
} as const;

/** Answers to an agent come below this subject. Remote keys are among them, so no client may subscribe there. */
export function agentInboxOf(agent: string): string {
  return `_INBOX_agent.${agent}`;
}

/** Answers to any other program come below this subject. The name is a token of its own, as a template of NATS needs it. */
export function clientInboxOf(name: string): string {
  return `_INBOX_client.${name}`;
}

/**
 * Whether a message may be answered there. An answer to another subject would be a message in the name of the program that answers,
 * sent wherever the asker likes.
 */
export function isInbox(subject: string): boolean {
  return subject.startsWith('_INBOX');
}

/** A name as the token of a subject. */
export function tokenOf(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '-');
}

/** Whether engines, routers and operators send to the subject, and not only agents. */
export function isForEverybody(subject: string): boolean {
  const kind = subject.split('.')[2];
  return kind === 'agent' || kind === 'discover' || kind === 'lookup';
}

/** The operation that a subject names: its last token. */
export function operationOf(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}

/** Who sent a message: the token before the operation. The agent in `peer`, and the tenant in `agent`. */
export function senderOf(subject: string): string {
  return subject.split('.').at(-2) ?? '';
}

/** The agent that published an event: `event.<agent>.<tenant>.<end>`. */
export function announcerOf(subject: string): string {
  return subject.split('.')[3] ?? '';
}

/** The tenant of an event: `event.<agent>.<tenant>.<end>`, `source.<agent>.<tenant>`. */
export function tenantOfEvent(subject: string): string {
  return subject.split('.')[4] ?? '';
}

/** The tenant that asks all agents: `lookup.<tenant>`. */
export function lookingTenant(subject: string): string {
  return subject.split('.')[3] ?? '';
}

/** The name of the message that a subject carries: `allocate`, `put`, `heartbeat`, `event`. */
export function messageOf(subject: string): string {
  const tokens = subject.split('.');
  // kvferry.v2.agent.<name>.<tenant>.<operation>, kvferry.v2.peer.<name>.<epoch>.<from>.<operation>, kvferry.v2.event.…
  const kind = tokens[2] ?? '';
  return kind === 'agent' || kind === 'peer' ? (tokens.at(-1) ?? '') : kind;
}
