/** The requests in the list. */
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
  /** Number of requests that arrived since the list is held. */
  readonly newer: number;
  readonly error: string | undefined;
  readonly isFiltered: boolean;
  readonly hold: (held: boolean) => void;
  readonly release: () => void;
  /** Changes each time the list is released. */
  readonly fromTop: number;
}

/** Without a filter, the requests come from the feed. With a filter, or for the past, the page asks for them. */
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
  // The feed begins now. The page asks once for the requests before.
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
  // Takes the keys with the next rows, not when the pointer enters, because the list may still be loading then.
  useEffect(() => {
    if (held?.length === 0 && table !== undefined && table.length > 0) setHeld(table.map(keyOfRequest));
  }, [held, table]);
  // A new question has new rows.
  useEffect(() => setHeld((before) => (before === undefined ? undefined : [])), [isAsked ? question : '']);

  const shown = useMemo(() => {
    if (table === undefined || !isLiveList || held === undefined || held.length === 0) return { rows: table, newer: 0 };
    const still = heldRows(table, held);
    return still.rows.length === 0 ? { rows: table, newer: 0 } : still;
  }, [table, held, isLiveList]);
  return { ...shown, error: isAsked || live.length === 0 ? error : undefined, isFiltered, hold, release, fromTop };
}
