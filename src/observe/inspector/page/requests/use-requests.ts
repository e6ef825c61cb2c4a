/** The requests that the list shows. */
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { paths, type RequestView } from '../../feed.js';
import { address } from '../data/api.js';
import { useInspector, useMoment, useRoute } from '../data/inspector.js';
import { useObservable } from '../data/observable.js';
import { heldRows, keyOfRequest } from '../data/request-table.js';
import { useAnswer } from '../data/use-answer.js';
import { POLL_MS, ROWS_ASKED_MAX } from '../limits.js';

interface Requests {
  readonly rows: readonly RequestView[] | undefined;
  /** Requests that have come since the list is held. */
  readonly newer: number;
  readonly error: string | undefined;
  readonly isFiltered: boolean;
  readonly hold: (held: boolean) => void;
  readonly release: () => void;
  /** Another number each time that it is released. */
  readonly fromTop: number;
}

/** Without a filter the feed brings them; with one, or of the past, they are asked for. */
export function useRequests(): Requests {
  const { feed } = useInspector();
  const { query } = useRoute();
  const atMs = useMoment();
  const dropped = useObservable(feed.dropped, (times) => times);
  const live = useObservable(feed.state, (state) => state.requests);
  const { text, agent, state, reason } = query;
  const isFiltered = [text, agent, state, reason].some((value) => value !== undefined && value !== '');
  const isAsked = isFiltered || atMs !== undefined;
  const question = address(paths.requests, { text, agent, state, reason, atMs, limit: ROWS_ASKED_MAX });
  // The feed begins now; what was before is asked for once.
  const { value, of, error } = useAnswer<RequestView[]>(
    question,
    isFiltered && atMs === undefined ? POLL_MS : undefined,
    dropped,
  );
  useEffect(() => {
    if (!isAsked && value !== undefined && of === question) feed.learn(value);
  }, [isAsked, value, of, question, feed]);

  const [held, setHeld] = useState<readonly string[] | undefined>(undefined);
  const table = isAsked ? value : value === undefined && live.length === 0 ? undefined : live;
  const isLiveList = atMs === undefined;
  const hold = useCallback((isHeld: boolean) => setHeld(isHeld ? [] : undefined), []);
  const [fromTop, setFromTop] = useState(0);
  const release = () => {
    setFromTop(fromTop + 1);
    setHeld([]);
  };
  // The keys are taken when the next rows are there, not when the pointer comes: then the list may just be loading.
  useEffect(() => {
    if (held?.length === 0 && table !== undefined && table.length > 0) setHeld(table.map(keyOfRequest));
  }, [held, table]);
  // Another question has other rows.
  useEffect(() => setHeld((before) => (before === undefined ? undefined : [])), [isAsked ? question : '']);

  const shown = useMemo(() => {
    if (table === undefined || !isLiveList || held === undefined || held.length === 0) return { rows: table, newer: 0 };
    const still = heldRows(table, held);
    return still.rows.length === 0 ? { rows: table, newer: 0 } : still;
  }, [table, held, isLiveList]);
  return { ...shown, error: isAsked || live.length === 0 ? error : undefined, isFiltered, hold, release, fromTop };
}
