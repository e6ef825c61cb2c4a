/** Publishes an event. A lost event is counted and logged. It never ends the request that it is about. */
import type { TerminalEvent } from '../../protocol/events.js';
import { subjects } from '../../protocol/subjects.js';
import { aboutMessage } from '../observing/journal.js';
import type { AgentEnv } from './agent-env.js';

export function publishEvent(env: AgentEnv, subject: string, event: object): void {
  const { control, counters, logger, tracer } = env;
  try {
    control.publish(subject, JSON.stringify(event), tracer?.headersFor(aboutMessage(event)));
  } catch (error) {
    counters.add('events_lost');
    logger.error({ subject, err: error }, 'event not published');
  }
}

/** Publishes the terminal event of a request. */
export function announceEnd(env: AgentEnv, event: TerminalEvent): void {
  publishEvent(env, subjects.terminal(env.options.agent, event.end), event);
  env.journal.message('out', `event.${event.end}`, aboutMessage(event), undefined, event.reason?.code);
}
