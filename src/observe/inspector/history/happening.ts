/** Events that change the known state of a cluster. */
import type { ActorView, EntryView } from '../feed.js';

export type Happening =
  | { readonly kind: 'entry'; readonly timeMs: number; readonly view: EntryView }
  /** From now on one request in `oneIn` is followed. The progress of the others is unknown. */
  | { readonly kind: 'sampled'; readonly timeMs: number; readonly oneIn: number }
  /** A process has ended, or has been silent for so long that it counts as ended. */
  | { readonly kind: 'gone'; readonly timeMs: number; readonly agent: string; readonly agentEpoch: string }
  /** Live actors of an agent whose start may be missing in the journal. */
  | { readonly kind: 'found'; readonly timeMs: number; readonly rows: readonly ActorView[] };
