/**
 * What this version knows of the one before: enough to refuse its messages, and to say why its agents cannot be reached. Messages of
 * two versions share no subject, so neither can be taken for the other (docs/guide/versions.md).
 */
import { z } from 'zod';
import { decodeReply } from './codec.js';
import { KvferryError } from './errors.js';
import { agentName, agentState, epoch } from './fields.js';
import { PROTOCOL_VERSION } from './limits.js';

const PREVIOUS_VERSION = PROTOCOL_VERSION - 1;

const root = `kvferry.v${PREVIOUS_VERSION}`;

export const previousSubjects = {
  operations: (agent: string) => `${root}.agent.${agent}.*`,
  describe: (agent: string) => `${root}.agent.${agent}.describe`,
} as const;

/** The body of `describe`. */
export const previousQuestion = JSON.stringify({ v: PREVIOUS_VERSION });

/** The fields of the answer that this version needs. */
const previousDescription = z.looseObject({
  v: z.literal(PREVIOUS_VERSION),
  ok: z.literal(true),
  agent: agentName,
  epoch,
  state: agentState,
  heartbeatMs: z.int().min(0),
});
export type PreviousDescription = z.infer<typeof previousDescription>;

/** Throws when the answer is not that of an agent of the previous version which serves this name. */
export function readPrevious(agent: string, answer: string): PreviousDescription {
  const description = decodeReply(previousDescription, answer);
  if (description.agent === agent) return description;
  throw new KvferryError('not_yours', `an agent ${description.agent} answers for agent ${agent}`, { field: 'agent' });
}

/** The refusal of a message of the previous version. Its sender reads it as a message of its own version. */
export function previousRefusal(agent: string): { readonly error: KvferryError; readonly body: string } {
  const message = `agent ${agent} speaks version ${PROTOCOL_VERSION} of the kvferry protocol, and the message has version ${PREVIOUS_VERSION}: update the program that sent it, or send it to an agent of its own version`;
  const error = new KvferryError('unsupported_version', message, { field: 'v' });
  const { code, field } = error;
  return { error, body: JSON.stringify({ v: PREVIOUS_VERSION, ok: false, error: { code, message, field } }) };
}

/** Why an agent of the previous version cannot be used. */
export function previousAgent(agent: string): KvferryError {
  const message = `agent ${agent} speaks version ${PREVIOUS_VERSION} of the kvferry protocol, and this agent version ${PROTOCOL_VERSION}: update agent ${agent}, or choose another one`;
  return new KvferryError('unsupported_version', message, { field: 'receiver' });
}
