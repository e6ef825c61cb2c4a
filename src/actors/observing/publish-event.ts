/** Publishes an event. Losing one is counted and logged; it never ends what the event is about. */
import type { TerminalEvent } from '../../protocol/events.js';
import { subjects } from '../../protocol/subjects.js';
import type { AgentContext } from '../agent/agent-env.js';
import { aboutMessage } from './journal.js';

export function publishEvent(context: AgentContext, subject: string, event: object): void {
  const { control, counters, logger, tracer } = context;
  try {
    control.publish(subject, JSON.stringify(event), tracer?.headersFor(aboutMessage(event)));
  } catch (error) {
    counters.add('events_lost');
    logger.error({ subject, err: error }, 'event not published');
  }
}

/** Announces how a request ended. */
export function announceEnd(context: AgentContext, event: TerminalEvent): void {
  publishEvent(context, subjects.terminal(context.options.agent, event.end), event);
  context.journal.message('out', `event.${event.end}`, aboutMessage(event), undefined, event.reason?.code);
}
