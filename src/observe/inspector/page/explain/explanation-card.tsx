import type { MachineName } from '../../../../protocol/observation.js';
import type { ExplanationView } from '../../feed.js';
import { useInspector } from '../data/inspector.js';
import { useTick } from '../data/use-tick.js';
import { duration, plural } from '../format.js';
import { TICK_MS } from '../limits.js';
import { Chip } from '../parts/chip.js';
import { EntryList } from '../parts/entry-list.js';
import { Waits } from '../parts/waits.js';
import { type Tone, toneOfState } from '../tones.js';

export interface ExplanationCardProps {
  readonly explanation: ExplanationView;
  /** When the explanation arrived, on the page's own clock. */
  readonly cameMs: number;
  /** Running times advance. */
  readonly isLive: boolean;
}

export function ExplanationCard({ explanation, cameMs, isLive }: ExplanationCardProps) {
  const { navigation } = useInspector();
  const { agent, about, name, side, state, inStateMs, summary, waiting, holders, holdersTotal, trail, nowMs } =
    explanation;
  const now = useTick(TICK_MS, isLive);
  const sinceMs = isLive ? Math.max(0, now - cameMs) : 0;
  const { epoch, request } = requestIn(explanation);
  return (
    <article class="card explanation" aria-label={`${about} ${name} at ${agent}`}>
      <header class="card-head">
        <h3>
          {about} <span class="break">{name}</span>
        </h3>
        <Chip tone={toneOf(explanation)}>{state}</Chip>
        <span class="card-aside">
          {side} {agent}
          {inStateMs === undefined ? '' : `, so for ${duration(inStateMs + sinceMs)}`}
        </span>
      </header>
      <p class="explanation-summary">{summary}</p>
      {waiting !== undefined && <Waits waiting={waiting} sinceMs={sinceMs} />}
      {holders.length > 0 && (
        <section class="holders" aria-label="Holders">
          <h4>Held by {plural(holdersTotal, 'request')}</h4>
          <ul>
            {holders.map(({ request, epoch, holds, pages, endsInMs }) => (
              <li key={`${epoch}/${request}`}>
                <a href={navigation.href('requests', [epoch, request])}>{request}</a>
                <span>{holds}</span>
                <span class="soft">{plural(pages, 'page')}</span>
                {endsInMs !== undefined && (
                  <span class="deadline">lets go in {duration(Math.max(0, endsInMs - sinceMs))}</span>
                )}
              </li>
            ))}
          </ul>
          {holdersTotal > holders.length && <p class="hint">and {holdersTotal - holders.length} more</p>}
        </section>
      )}
      {trail.length > 0 && (
        <section class="trail" aria-label="Trail">
          <h4>What has happened</h4>
          <EntryList
            entries={trail.map((entry) => ({ time: agoOf(nowMs - entry.atMs + sinceMs), entry }))}
            showAgent={false}
            within={request}
          />
        </section>
      )}
      <footer class="card-foot">
        {epoch !== undefined && request !== undefined && (
          <>
            <a href={navigation.href('requests', [epoch, request])}>The request</a>
            <a href={navigation.href('machines', [], { agent, request })}>Its machines</a>
          </>
        )}
      </footer>
    </article>
  );
}

/** Parses `<epoch>/<request>`, with `/<batch>` for a transfer. A request id may also contain slashes. */
function requestIn({ about, name }: ExplanationView): { readonly epoch?: string; readonly request?: string } {
  const pattern = about === 'transfer' ? /^([0-9a-f]{16})\/(.+)\/\d+$/ : /^([0-9a-f]{16})\/(.+)$/;
  const [, epoch, request] = (about === 'request' || about === 'transfer' ? pattern.exec(name) : undefined) ?? [];
  return epoch === undefined || request === undefined ? {} : { epoch, request };
}

function agoOf(ms: number): string {
  return `${duration(Math.max(0, ms))} ago`;
}

const machines: Readonly<Record<string, MachineName>> = { 'request sender': 'request', 'request receiver': 'ingest' };
const pageTones: Readonly<Record<string, Tone>> = {
  free: 'quiet',
  writing: 'work',
  ready: 'good',
  retained: 'good',
  quarantined: 'bad',
  failed: 'bad',
  expired: 'warn',
  cancelled: 'quiet',
};

function toneOf({ about, side, state }: ExplanationView): Tone {
  const known = pageTones[state];
  if (known !== undefined) return known;
  const machine = about === 'transfer' ? 'transfer' : machines[`${about} ${side}`];
  return machine === undefined ? 'quiet' : toneOfState(machine, state);
}
