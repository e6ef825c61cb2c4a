import { useEffect, useMemo, useState } from 'preact/hooks';
import type { StateEntry } from '../../../../protocol/observation.js';
import { type ActorView, type EntryView, paths } from '../../feed.js';
import { address } from '../data/api.js';
import { useInspector, useMoment } from '../data/inspector.js';
import { useAnswer } from '../data/use-answer.js';
import { ENTRIES_SHOWN_MAX } from '../limits.js';
import { joinEntries } from './join-entries.js';

export type StateChange = EntryView & { readonly entry: StateEntry };

export interface ActorIdentity {
  readonly agent: string;
  readonly name: string;
  /** The actor in the last answer of the server. Undefined after its end. */
  readonly asked: ActorView | undefined;
  readonly isLoading: boolean;
}

/** What the page knows of one actor, from the server's answers and from the journal entries of the feed. */
export function useActor({ agent, name, asked, isLoading }: ActorIdentity) {
  const { feed } = useInspector();
  const atMs = useMoment();
  const isLive = atMs === undefined;
  const question = address(paths.entries, { agent, actor: name, toMs: atMs, limit: ENTRIES_SHOWN_MAX });
  const known = useAnswer<EntryView[]>(question);
  const [heard, setHeard] = useState<readonly EntryView[]>([]);
  useEffect(
    () =>
      feed.onEntries((entries) => {
        const own = entries.filter((view) => view.agent === agent && isOf(view, name));
        if (own.length > 0) setHeard((before) => [...before, ...own].slice(-ENTRIES_SHOWN_MAX));
      }),
    [feed, agent, name],
  );
  const entries = useMemo(
    () => joinEntries(known.value ?? [], isLive ? heard : []).slice(-ENTRIES_SHOWN_MAX),
    [known.value, heard, isLive],
  );
  const last = entries.findLast((view): view is StateChange => view.entry.kind === 'state');
  // The server is asked once a second. In between, the journal entries are newer.
  const [actor, setActor] = useState(asked);
  if (asked !== undefined && asked !== actor) setActor(asked);
  const isNewer = last !== undefined && isLive && (asked === undefined || heard.includes(last));
  return {
    isLive,
    actor,
    entries,
    last,
    isNewer,
    error: known.error,
    /** No entry has arrived, and the answers that could have some are pending. */
    isPending: isLoading || known.value === undefined,
    hasEnded: asked === undefined && !isLoading && (last?.entry.done ?? true),
    state: isNewer ? last.entry.to : (asked?.state ?? last?.entry.to),
  };
}

/** Messages name requests, not actors. Only a state change certainly belongs to the actor. */
function isOf({ entry }: EntryView, name: string): boolean {
  return entry.kind === 'state' && entry.actor === name;
}
