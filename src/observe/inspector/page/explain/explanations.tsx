import { type ExplanationView, paths } from '../../feed.js';
import { address } from '../data/api.js';
import { useLiveCluster, useMoment } from '../data/inspector.js';
import { useAnswer } from '../data/use-answer.js';
import { Empty } from '../parts/empty.js';
import { Skeleton } from '../parts/skeleton.js';
import type { About } from './about.js';
import { ExplanationCard } from './explanation-card.js';

/** Agents are asked again this often. */
const ASK_AGAIN_MS = 2000;

export interface ExplanationsProps {
  readonly about: About;
  readonly name: string;
  /** Only this one is asked. */
  readonly agent: string | undefined;
}

/** What every agent that knows of it says. */
export function Explanations({ about, name, agent }: ExplanationsProps) {
  const moment = useMoment();
  // Agents that live explain only what is now; a recorded one what was.
  const isRecording = useLiveCluster()?.source.kind === 'recording';
  const question = address(paths.explain, { about, name, agent, atMs: isRecording ? moment : undefined });
  const { value, error, atMs, of } = useAnswer<ExplanationView[]>(question, isRecording ? undefined : ASK_AGAIN_MS);
  if (of === undefined) return <Skeleton rows={5} label="Asking the agents" />;
  if (value === undefined) return <Empty title="The agents could not be asked">{error}</Empty>;
  if (value.length === 0) {
    return (
      <Empty title={`No agent knows ${about} ${name}`}>
        What has ended is remembered for a while only; keys are forgotten with their pages.
      </Empty>
    );
  }
  return (
    <div class="explanations" aria-live="polite">
      {error !== undefined && <p class="hint tone-bad">{error}</p>}
      {value.map((explanation) => (
        <ExplanationCard
          key={`${explanation.agent} ${explanation.side} ${explanation.name}`}
          explanation={explanation}
          cameMs={atMs}
          isLive={!isRecording}
        />
      ))}
    </div>
  );
}
