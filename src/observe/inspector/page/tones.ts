/** The meaning of states: the same meaning has the same colour in every view. */
import type { MachineName } from '../../../protocol/observation.js';
import type { End } from '../../../protocol/subjects.js';

/** `work`: the actor is active. `wait`: another party must act. `warn`: the actor may fail. */
export type Tone = 'quiet' | 'wait' | 'work' | 'good' | 'warn' | 'bad';

const ends: Record<End, Tone> = { ready: 'good', failed: 'bad', cancelled: 'quiet', expired: 'warn' };

export function toneOfEnd(end: End): Tone {
  return ends[end];
}

/** By machine, then by the last part of the state's name (machines/README.md). */
const states: Record<MachineName, Readonly<Record<string, Tone>>> = {
  agent: {
    starting: 'work',
    running: 'good',
    draining: 'warn',
    fencing: 'bad',
    closing: 'quiet',
    stopped: 'quiet',
  },
  line: {
    up: 'good',
    overdue: 'warn',
    unheard: 'bad',
    reconnecting: 'bad',
    away: 'bad',
    returning: 'warn',
  },
  peer: {
    // A peer in `status` has the state of its connection too.
    connecting: 'wait',
    interrupted: 'warn',
    connected: 'good',
    alive: 'good',
    suspect: 'warn',
    listening: 'warn',
    asking: 'warn',
    listeningAgain: 'warn',
    overdue: 'warn',
    unheard: 'warn',
    lost: 'bad',
  },
  connection: {
    connecting: 'wait',
    interrupted: 'warn',
    connected: 'good',
    online: 'good',
    offline: 'warn',
    failed: 'bad',
  },
  request: {
    put: 'wait',
    offered: 'wait',
    open: 'work',
    settling: 'wait',
    settled: 'good',
    aborting: 'bad',
    deciding: 'bad',
    asking: 'bad',
    silent: 'warn',
    doubting: 'warn',
    draining: 'warn',
    unknown: 'bad',
    ended: 'quiet',
  },
  transfer: {
    allocating: 'wait',
    queued: 'wait',
    filtering: 'work',
    filtered: 'work',
    writing: 'work',
    committing: 'work',
    joining: 'wait',
    aborting: 'bad',
    draining: 'warn',
    committed: 'good',
    aborted: 'bad',
  },
  ingest: {
    waiting: 'wait',
    held: 'wait',
    receiving: 'work',
    gathering: 'wait',
    deciding: 'warn',
    ready: 'good',
    ended: 'quiet',
    released: 'quiet',
  },
  group: {
    collecting: 'wait',
    preparing: 'wait',
    deciding: 'wait',
    telling: 'work',
    ready: 'good',
    ended: 'quiet',
  },
  rank: {
    idle: 'quiet',
    following: 'wait',
    appealing: 'bad',
    reporting: 'bad',
    alone: 'bad',
    closed: 'quiet',
  },
};

const severity: readonly Tone[] = ['quiet', 'good', 'work', 'wait', 'warn', 'bad'];

/** The most serious of several tones. */
export function worst(tones: readonly Tone[]): Tone {
  return tones.reduce(
    (gravest, tone) => (severity.indexOf(tone) > severity.indexOf(gravest) ? tone : gravest),
    'quiet',
  );
}

/** The tone of a state, in the form of an agent's answers: `writing`, `running.open`, or `connected and alive`. */
export function toneOfState(machine: MachineName, state: string): Tone {
  const tones = state.split(' and ').map((name) => states[machine][name.slice(name.lastIndexOf('.') + 1)] ?? 'work');
  return worst(tones);
}
