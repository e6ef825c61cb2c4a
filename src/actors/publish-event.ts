/** Publishes an event. Losing one is counted and logged; it never ends what the event is about. */
import type { AgentContext } from './context.js';

export function publishEvent({ control, counters, logger }: AgentContext, subject: string, event: object): void {
  try {
    control.publish(subject, JSON.stringify(event));
  } catch (error) {
    counters.add('events_lost');
    logger.error({ subject, err: error }, 'event not published');
  }
}
