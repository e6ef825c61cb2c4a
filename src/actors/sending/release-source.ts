/** Gives source memory back, and reports it to the engine. */
import type { SourceReleasedEvent } from '../../protocol/events.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import { subjects } from '../../protocol/subjects.js';
import { ownName, tenantOfName } from '../../protocol/tenants.js';
import type { AgentEnv } from '../env/agent-env.js';
import { publishEvent } from '../env/publish-event.js';
import { aboutMessage } from '../observing/journal.js';
import type { SourceMemory } from './source-memory.js';

/** Chunks of one batch, by their positions in it. */
export interface ReleasedChunks {
  readonly request: string;
  readonly batch: number;
  readonly positions: readonly number[];
}

export function releaseSource(env: AgentEnv, memory: SourceMemory, released: ReleasedChunks): void {
  const { request, batch, positions } = released;
  if (positions.length === 0) return;
  const { epoch, options } = env;
  memory.release(request, batch, positions);
  const places = { epoch, batch, positions: [...positions] };
  const event: SourceReleasedEvent = { v: PROTOCOL_VERSION, request: ownName(request), ...places };
  const about = aboutMessage({ ...event, request });
  publishEvent(env, subjects.sourceReleased(options.agent, tenantOfName(request)), event, about);
}
