/** Attaches an engine's memory as the first order of a session. */
import type { ClockPort } from '../ports/clock.js';
import { isKvferryError, type KvferryError } from '../protocol/errors.js';
import type { KvferryClient } from './kvferry-client.js';
import type { OrderSession } from './order-session.js';
import { pause } from './pause.js';

const PAUSE_MS = 100;

export interface EngineMemory {
  readonly client: KvferryClient;
  readonly agent: string;
  readonly clock: ClockPort;
  readonly segment: string;
  readonly path: string;
}

/**
 * `takesOver`: what is attached under this name belongs to an earlier engine, which does not run any more. Its session is
 * ended, or its segment detached. Rejects with the agent's refusal, and `segment_in_use` when the agent still reads that segment.
 */
export async function setUpMemory(
  { client, agent, clock, segment, path }: EngineMemory,
  session: OrderSession,
  untilMs: number,
  takesOver: boolean,
): Promise<void> {
  for (;;) {
    const attached = await session.send('attach', { segment, path }, { untilMs });
    if (attached.executed) return;
    let { error }: { error: KvferryError } = attached;
    if (!takesOver || !isKvferryError(error, 'segment_exists', 'wrong_session')) throw error;
    if (error.details.session !== undefined) await client.end(agent, { session: error.details.session });
    else {
      const detached = await session.send('detach', { segment }, { untilMs });
      if (!detached.executed) error = detached.error;
    }
    if (clock.now() >= untilMs) throw error;
    await pause(clock, PAUSE_MS);
  }
}
