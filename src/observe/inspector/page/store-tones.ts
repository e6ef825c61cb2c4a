import type { StoreAction } from '../../../protocol/observation.js';
import type { Tone } from './tones.js';

const tones: Record<StoreAction, Tone> = {
  granted: 'quiet',
  fenced: 'warn',
  queued: 'wait',
  admitted: 'quiet',
  allocated: 'work',
  joined: 'wait',
  deduplicated: 'good',
  committed: 'good',
  'handed-over': 'warn',
  ended: 'quiet',
  quarantined: 'bad',
  drained: 'quiet',
  acquired: 'good',
  released: 'quiet',
  expired: 'warn',
  evicted: 'quiet',
};

export function toneOfStoreAction(action: StoreAction): Tone {
  return tones[action];
}
