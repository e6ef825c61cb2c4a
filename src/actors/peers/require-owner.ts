/** Whether an agent may say what it says: NATS checks the name in the subject, and this checks it against what the message is about (P31). */
import { KvferryError } from '../../protocol/errors.js';

/** Throws `not_yours` unless `what` belongs to the agent that the subject names. `owner` is undefined when it belongs to no agent. */
export function requireOwner(owner: string | undefined, from: string, what: string): void {
  if (owner === from) return;
  const whose = owner === undefined ? 'belongs to no other agent' : `belongs to agent ${owner}`;
  throw new KvferryError('not_yours', `${what} ${whose}, and the message came from agent ${from}`, {
    field: 'subject',
  });
}
