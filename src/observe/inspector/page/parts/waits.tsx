import type { Gate, Waiting } from '../../../../protocol/observation.js';
import { duration } from '../format.js';
import { Chip } from './chip.js';

/** The party that must act. */
const meanings: Record<Gate, string> = {
  receiver: 'the decode agent',
  admission: 'pages of the arena, in the queue',
  writer: 'another request that writes the same key',
  fabric: 'bytes on their way',
  engine: 'an engine',
  router: 'a router',
  sender: 'the prefill agent',
  ranks: 'other ranks of the request',
  peer: 'another agent',
  clock: 'time to pass',
};

/** Below this, the deadline is shown as soon. */
const SOON_MS = 1000;

export interface WaitsProps {
  readonly waiting: Waiting;
  /** Time since the answer arrived. */
  readonly sinceMs: number;
}

/** What an actor waits for, and its deadline. */
export function Waits({ waiting: { gate, text, endsInMs }, sinceMs }: WaitsProps) {
  const leftMs = endsInMs === undefined ? undefined : Math.max(0, endsInMs - sinceMs);
  return (
    <div class="waits">
      <Chip tone="wait" title={`Waits for ${meanings[gate]}`}>
        waits for {gate}
      </Chip>
      <span class="waits-text">{text}</span>
      {leftMs !== undefined && (
        <span class={leftMs < SOON_MS ? 'deadline soon' : 'deadline'}>
          {leftMs === 0 ? 'deadline passed' : `ends in ${duration(leftMs)}`}
        </span>
      )}
    </div>
  );
}
