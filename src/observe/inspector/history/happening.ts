/** What changes what is known of a cluster. */
import type { ActorView, EntryView } from '../feed.js';

export type Happening =
  | { readonly kind: 'entry'; readonly timeMs: number; readonly view: EntryView }
  /** From now on only one request in so many is followed: how the others go on is not known. */
  | { readonly kind: 'sampled'; readonly timeMs: number; readonly oneIn: number }
  /** A process is over, or was not heard for so long that it counts as over. */
  | { readonly kind: 'gone'; readonly timeMs: number; readonly agent: string; readonly agentEpoch: string }
  /** Actors that an agent has, and of whose beginning no entry may be left. */
  | { readonly kind: 'found'; readonly timeMs: number; readonly rows: readonly ActorView[] };
