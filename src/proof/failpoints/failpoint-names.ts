/**
 * The names of the failpoints, derived from the protocol and the fabric port. Each request has four: two at the asking
 * side, two at the answering side. Each announcement has one per side. Each fabric call has one before and one after
 * it.
 */
import { operations, peerNotices, peerOperations } from '../../protocol/subjects.js';

/** Calls of the fabric port, by the names that failpoints use. */
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

/** Published messages without a single receiver. */
const announcements = ['heartbeat', 'event', 'source'] as const;

const questions = peerOperations.filter((operation) => !peerNotices.some((notice) => notice === operation));

export const failpointNames: readonly string[] = [
  // Messages between agents. A notice has no answer.
  ...questions.flatMap((operation) => stages(operation, ['sending', 'received', 'answering', 'answered'])),
  ...peerNotices.flatMap((operation) => stages(operation, ['sending', 'received'])),
  // Operations of engines and routers. A sender also sends `describe` to a receiver.
  ...operations.flatMap((operation) => stages(operation, ['received', 'answering'])),
  ...stages('describe', ['sending', 'answered']),
  ...stages('discover', ['received', 'answering']),
  ...announcements.flatMap((announcement) => stages(announcement, ['publishing'])),
  ...stages('heartbeat', ['received']),
  ...fabricCalls.flatMap((call) => stages(call, ['starting', 'done'])),
  // The fabric has started the write and has not reported its end.
  'write.underway',
];

function stages(step: string, names: readonly string[]): string[] {
  return names.map((name) => `${step}.${name}`);
}
