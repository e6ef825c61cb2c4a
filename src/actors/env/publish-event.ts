/** Publishes an event. A lost event is counted and logged. It never ends the request that it is about. */
import type { TerminalEvent } from '../../protocol/events.js';
import { subjects } from '../../protocol/subjects.js';
import { ownName, tenantOfName } from '../../protocol/tenants.js';
import { aboutMessage } from '../observing/journal.js';
import type { AgentEnv } from './agent-env.js';

export function publishEvent(env: AgentEnv, subject: string, event: object, about = aboutMessage(event)): void {
  const { control, counters, logger, tracer } = env;
  try {
    control.publish(subject, JSON.stringify(event), tracer?.headersFor(about));
  } catch (error) {
    counters.add('events_lost');
    logger.error({ subject, err: error }, 'event not published');
  }
}

/** Publishes the terminal event of a request, which has the name of its tenant before its own. */
export function announceEnd(env: AgentEnv, event: TerminalEvent): void {
  const about = aboutMessage(event);
  const subject = subjects.terminal(env.options.agent, tenantOfName(event.request), event.end);
  publishEvent(env, subject, { ...event, request: ownName(event.request) }, about);
  env.journal.message('out', `event.${event.end}`, about, undefined, event.reason?.code);
}
