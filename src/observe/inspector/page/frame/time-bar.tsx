import { useEffect, useRef, useState } from 'preact/hooks';
import { useInspector, useLiveCluster, useMoment } from '../data/inspector.js';
import { stepBack, stepForward } from '../data/steps.js';
import { clockTime, duration } from '../format.js';
import { PLAY_STEP_MS } from '../limits.js';
import { Icon } from '../parts/icon.js';

const speeds = [0.01, 0.1, 1, 10] as const;
/** Steps of the slider: finer ones cannot be seen on it. */
const SLIDER_STEPS = 2000;

/** Now, or any moment of what is remembered: on every view. */
export function TimeBar() {
  const { navigation } = useInspector();
  const source = useLiveCluster()?.source;
  const atMs = useMoment();
  const [isPlaying, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(1);
  const isRecording = source?.kind === 'recording';
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
  const step = async (direction: 'back' | 'forward') => {
    setPlaying(false);
    const from = navigation.momentMs ?? end.current;
    try {
      const next = direction === 'back' ? await stepBack(from) : await stepForward(from, end.current);
      show(next ?? (direction === 'back' ? fromMs : end.current));
    } catch {
      // Not reached: the banner says so. It stays where it is, and does not follow live any more.
      show(from);
    }
  };
  const togglePlay = () => {
    if (isPlaying) return setPlaying(false);
    // From the end there is nowhere to go: begin anew.
    if (!isPast || shownMs >= toMs) navigation.showMoment(fromMs);
    setPlaying(true);
  };

  return (
    <section class={isPast ? 'time-bar past' : 'time-bar'} aria-label="Time">
      {isPast ? (
        <button type="button" class="button accent" onClick={() => navigation.showMoment(undefined)} title="L">
          <Icon name="live" />
          {isRecording ? 'To the end' : 'Follow live'}
        </button>
      ) : (
        <button
          type="button"
          class="button"
          disabled={source === undefined}
          onClick={() => show(toMs)}
          title="Keep this moment"
        >
          <Icon name="pause" />
          {isRecording ? 'At the end' : 'Live'}
        </button>
      )}
      <div class="button-row">
        <button
          type="button"
          class="button plain"
          data-key="back"
          aria-label="One step back"
          title="Step back ([)"
          disabled={source === undefined}
          onClick={() => void step('back')}
        >
          <Icon name="back" />
        </button>
        <button
          type="button"
          class="button plain"
          aria-label={isPlaying && isPast ? 'Pause' : 'Play'}
          disabled={source === undefined}
          onClick={togglePlay}
        >
          <Icon name={isPlaying && isPast ? 'pause' : 'play'} />
        </button>
        <button
          type="button"
          class="button plain"
          data-key="forward"
          aria-label="One step forward"
          title="Step forward (])"
          disabled={source === undefined || !isPast}
          onClick={() => void step('forward')}
        >
          <Icon name="forward" />
        </button>
        <select
          class="speed"
          aria-label="Speed"
          value={String(speed)}
          onChange={(event) => setSpeed(Number(event.currentTarget.value))}
        >
          {speeds.map((value) => (
            <option key={value} value={String(value)}>
              {value}×
            </option>
          ))}
        </select>
      </div>
      <div class="slider">
        <span class="slider-end">{source === undefined ? '' : clockTime(fromMs, false)}</span>
        <input
          type="range"
          aria-label="Moment"
          aria-valuetext={isPast ? `${clockTime(shownMs)}, ${duration(toMs - shownMs)} before the end` : 'now'}
          min={0}
          max={SLIDER_STEPS}
          step={1}
          disabled={source === undefined || toMs <= fromMs}
          value={toMs <= fromMs ? SLIDER_STEPS : Math.round(((shownMs - fromMs) / (toMs - fromMs)) * SLIDER_STEPS)}
          onInput={(event) => {
            setPlaying(false);
            show(fromMs + (Number(event.currentTarget.value) / SLIDER_STEPS) * (toMs - fromMs));
          }}
        />
        <span class="slider-end">{source === undefined ? '' : clockTime(toMs, false)}</span>
      </div>
      <output class="moment">
        {source === undefined ? '–' : clockTime(shownMs)}
        <span class="moment-ago">{isPast ? `−${duration(Math.max(0, toMs - shownMs))}` : ''}</span>
      </output>
    </section>
  );
}
