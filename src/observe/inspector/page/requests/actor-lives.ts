/** The life of each actor of a request, derived from its journal entries. */
import type { MachineName } from '../../../../protocol/observation.js';
import type { EntryView } from '../../feed.js';
import { type Tone, toneOfState } from '../tones.js';

export interface Stretch {
  readonly state: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly tone: Tone;
  /** The span has not ended. */
  readonly open: boolean;
}

export interface ActorLife {
  readonly agent: string;
  readonly machine: MachineName;
  readonly actor: string;
  readonly batch?: number;
  readonly stretches: readonly Stretch[];
  /** The last known state. */
  readonly state: string;
  readonly done: boolean;
}

/** Sorted by beginning. A life that has not ended reaches to `nowMs`. */
export function livesOf(entries: readonly EntryView[], nowMs: number): ActorLife[] {
  const lives = new Map<string, ActorLife & { readonly stretches: Stretch[] }>();
  for (const { agent, timeMs, entry } of entries) {
    if (entry.kind !== 'state') continue;
    const { machine, actor, batch, to, done } = entry;
    const key = `${agent} ${actor}`;
    const before = lives.get(key);
    const stretches = before?.stretches ?? [];
    const last = stretches.at(-1);
    if (last?.open === true) stretches[stretches.length - 1] = { ...last, toMs: timeMs, open: false };
    const stretch = { state: to, tone: toneOfState(machine, to), fromMs: timeMs };
    stretches.push({ ...stretch, toMs: done ? timeMs : Math.max(timeMs, nowMs), open: !done });
    lives.set(key, { agent, machine, actor, ...(batch === undefined ? {} : { batch }), stretches, state: to, done });
  }
  return [...lives.values()];
}
