/**
 * The names of the failpoints. They are derived, not invented: every message gives two on the side that asks and two on
 * the side that answers, every announcement one on each side, every call of the fabric one before and one after.
 */
import { operations, peerNotices, peerOperations } from '../../protocol/subjects.js';

/** Calls of the fabric port, by the name they have here. */
export const fabricCalls = [
  'arena',
  'segment',
  'attach',
  'detach',
  'grant',
  'revoke',
  'connect',
  'write',
  'disconnect',
  'close',
] as const;
export type FabricCall = (typeof fabricCalls)[number];

/** What is published for whoever listens. */
const announcements = ['heartbeat', 'event', 'source'] as const;

const questions = peerOperations.filter((operation) => !peerNotices.some((notice) => notice === operation));

export const failpointNames: readonly string[] = [
  // Between agents. A notice is not answered.
  ...questions.flatMap((operation) => stages(operation, ['sending', 'received', 'answering', 'answered'])),
  ...peerNotices.flatMap((operation) => stages(operation, ['sending', 'received'])),
  // What engines and routers ask for. A sender itself asks a receiver to describe itself.
  ...operations.flatMap((operation) => stages(operation, ['received', 'answering'])),
  ...stages('describe', ['sending', 'answered']),
  ...stages('discover', ['received', 'answering']),
  ...announcements.flatMap((announcement) => stages(announcement, ['publishing'])),
  ...stages('heartbeat', ['received']),
  ...fabricCalls.flatMap((call) => stages(call, ['starting', 'done'])),
  // The fabric has the write, and has not reported its end.
  'write.underway',
];

/** The middle of a failpoint's name: `allocate`, `event`. */
export function messageOf(subject: string): string {
  const tokens = subject.split('.');
  // kvferry.v1.agent.<name>.<operation>, kvferry.v1.peer.<name>.<epoch>.<operation>, kvferry.v1.event.<name>.<end>
  const kind = tokens[2] ?? '';
  return kind === 'agent' || kind === 'peer' ? (tokens.at(-1) ?? '') : kind;
}

function stages(step: string, names: readonly string[]): string[] {
  return names.map((name) => `${step}.${name}`);
}
