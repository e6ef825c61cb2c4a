import type { ActorView } from '../../feed.js';
import { duration } from '../format.js';
import { Chip } from '../parts/chip.js';
import { toneOfState } from '../tones.js';

export interface ActorRowProps {
  readonly actor: ActorView;
  /** When the answer arrived, on the page's own clock. */
  readonly cameMs: number;
  readonly isLive: boolean;
}

export function ActorRow({ actor, cameMs, isLive }: ActorRowProps) {
  const { agent, machine, state, inStateMs, waiting } = actor;
  const sinceMs = isLive ? performance.now() - cameMs : 0;
  return (
    <div class="actor-row">
      <span class={`dot tone-${toneOfState(machine, state)}`} aria-hidden="true" />
      <span class="actor-name">
        <span class="machine">{machine}</span> {identity(actor)}
      </span>
      <span class="actor-state">{state}</span>
      <span class="actor-agent">{agent}</span>
      <span class="actor-wait">
        {waiting !== undefined && (
          <Chip tone="wait" title={waiting.text}>
            waits for {waiting.gate}
          </Chip>
        )}
      </span>
      <span class="actor-time">{duration(inStateMs + sinceMs)}</span>
    </div>
  );
}

/** The subject of the actor, shorter than its full name. */
function identity({ machine, actor, request, batch, peer }: ActorView): string {
  if (machine === 'agent' || machine === 'line') return '';
  if (machine === 'peer' || machine === 'connection') return peer ?? actor.slice(machine.length + 1);
  if (request === undefined) return actor.slice(machine.length + 1);
  return batch === undefined ? request : `${request} · batch ${batch}`;
}
