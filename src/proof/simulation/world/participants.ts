/** The participants of the simulated NATS, and what their messages are about. */
import type { Envelope } from '../memory-control.js';

const ENGINE = 'engine-';
const REQUEST = /"request":"([^"]+)"/;

export function engineOf(agent: string): string {
  return `${ENGINE}${agent}`;
}

/** The agent that a participant is, or beside which it runs. */
export function agentOf(participant: string): string {
  return participant.startsWith(ENGINE) ? participant.slice(ENGINE.length) : participant;
}

/** The request that a message, or the question of a reply, names. */
export function requestOf({ body, question = body }: Pick<Envelope, 'body' | 'question'>): string | undefined {
  return REQUEST.exec(question)?.[1];
}
