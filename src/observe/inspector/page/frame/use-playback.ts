import { useEffect, useRef, useState } from 'preact/hooks';
import { useInspector, useLiveCluster, useMoment } from '../data/inspector.js';
import { stepBack, stepForward } from '../data/steps.js';
import { PLAY_STEP_MS } from '../limits.js';

/** The moment that the page shows, and the ways to move it. */
export interface Playback {
  /** False until the source is known. Then nothing can be moved. */
  readonly isReady: boolean;
  readonly isRecording: boolean;
  readonly fromMs: number;
  readonly toMs: number;
  readonly shownMs: number;
  /** The page shows a fixed moment. Otherwise it follows the source. */
  readonly isPast: boolean;
  readonly isPlaying: boolean;
  readonly speed: number;
  setSpeed(speed: number): void;
  /** Shows a moment, limited to what the source remembers. */
  show(momentMs: number): void;
  /** Stops playing and shows a moment. */
  pauseAt(momentMs: number): void;
  step(direction: 'back' | 'forward'): Promise<void>;
  togglePlay(): void;
}

export function usePlayback(): Playback {
  const { navigation } = useInspector();
  const source = useLiveCluster()?.source;
  const atMs = useMoment();
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(1);
  const fromMs = source?.fromMs ?? 0;
  const toMs = Math.max(source?.toMs ?? 0, fromMs);
  const end = useRef(toMs);
  end.current = toMs;
  const shownMs = atMs === undefined ? toMs : Math.min(toMs, Math.max(fromMs, atMs));
  const isPast = atMs !== undefined;

  useEffect(() => {
    if (!isPlaying || !isPast) return undefined;
    const timer = setInterval(() => {
      const next = (navigation.momentMs ?? end.current) + PLAY_STEP_MS * speed;
      navigation.showMoment(Math.min(next, end.current));
      if (next >= end.current) setPlaying(false);
    }, PLAY_STEP_MS);
    return () => clearInterval(timer);
  }, [isPlaying, isPast, speed, navigation]);

  const show = (moment: number) => navigation.showMoment(Math.min(toMs, Math.max(fromMs, moment)));
  const pauseAt = (moment: number) => {
    setPlaying(false);
    show(moment);
  };
  const step = async (direction: 'back' | 'forward') => {
    setPlaying(false);
    const from = navigation.momentMs ?? end.current;
    try {
      const next = direction === 'back' ? await stepBack(from) : await stepForward(from, end.current);
      show(next ?? (direction === 'back' ? fromMs : end.current));
    } catch {
      // The server was not reached, which the banner shows. The page stays at this moment and stops following.
      show(from);
    }
  };
  const togglePlay = () => {
    if (isPlaying) return setPlaying(false);
    // At the end there is nothing left to play, so playing starts at the beginning.
    if (!isPast || shownMs >= toMs) navigation.showMoment(fromMs);
    setPlaying(true);
  };
  const range = { isReady: source !== undefined, isRecording: source?.kind === 'recording', fromMs, toMs, shownMs };
  return { ...range, isPast, isPlaying, speed, setSpeed, show, pauseAt, step, togglePlay };
}
