import { useInspector } from '../data/inspector.js';
import { clockTime, duration } from '../format.js';
import { Icon } from '../parts/icon.js';
import { type Playback, usePlayback } from './use-playback.js';

const speeds = [0.01, 0.1, 1, 10] as const;
/** Positions of the slider. Finer ones are not visible. */
const SLIDER_STEPS = 2000;

/** Chooses the moment that every view shows: now, or a moment that the source remembers. */
export function TimeBar() {
  const playback = usePlayback();
  const { isReady, isPast, toMs, shownMs } = playback;
  return (
    <section class={isPast ? 'time-bar past' : 'time-bar'} aria-label="Time">
      <FollowButton playback={playback} />
      <PlayButtons playback={playback} />
      <Slider playback={playback} />
      <output class="moment">
        {isReady ? clockTime(shownMs) : '–'}
        <span class="moment-ago">{isPast ? `−${duration(Math.max(0, toMs - shownMs))}` : ''}</span>
      </output>
    </section>
  );
}

interface PartProps {
  readonly playback: Playback;
}

function FollowButton({ playback: { isReady, isPast, isRecording, toMs, show } }: PartProps) {
  const { navigation } = useInspector();
  if (isPast) {
    return (
      <button type="button" class="button accent" onClick={() => navigation.showMoment(undefined)} title="L">
        <Icon name="live" />
        {isRecording ? 'To the end' : 'Follow live'}
      </button>
    );
  }
  return (
    <button type="button" class="button" disabled={!isReady} onClick={() => show(toMs)} title="Keep this moment">
      <Icon name="pause" />
      {isRecording ? 'At the end' : 'Live'}
    </button>
  );
}

function PlayButtons({ playback: { isReady, isPast, isPlaying, speed, setSpeed, step, togglePlay } }: PartProps) {
  const plays = isPlaying && isPast;
  return (
    <div class="button-row">
      <button
        type="button"
        class="button plain"
        data-key="back"
        aria-label="One step back"
        title="Step back ([)"
        disabled={!isReady}
        onClick={() => void step('back')}
      >
        <Icon name="back" />
      </button>
      <button
        type="button"
        class="button plain"
        aria-label={plays ? 'Pause' : 'Play'}
        disabled={!isReady}
        onClick={togglePlay}
      >
        <Icon name={plays ? 'pause' : 'play'} />
      </button>
      <button
        type="button"
        class="button plain"
        data-key="forward"
        aria-label="One step forward"
        title="Step forward (])"
        disabled={!isReady || !isPast}
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
  );
}

function Slider({ playback: { isReady, isPast, fromMs, toMs, shownMs, pauseAt } }: PartProps) {
  const isEmpty = toMs <= fromMs;
  return (
    <div class="slider">
      <span class="slider-end">{isReady ? clockTime(fromMs, false) : ''}</span>
      <input
        type="range"
        aria-label="Moment"
        aria-valuetext={isPast ? `${clockTime(shownMs)}, ${duration(toMs - shownMs)} before the end` : 'now'}
        min={0}
        max={SLIDER_STEPS}
        step={1}
        disabled={!isReady || isEmpty}
        value={isEmpty ? SLIDER_STEPS : Math.round(((shownMs - fromMs) / (toMs - fromMs)) * SLIDER_STEPS)}
        onInput={(event) => pauseAt(fromMs + (Number(event.currentTarget.value) / SLIDER_STEPS) * (toMs - fromMs))}
      />
      <span class="slider-end">{isReady ? clockTime(toMs, false) : ''}</span>
    </div>
  );
}
