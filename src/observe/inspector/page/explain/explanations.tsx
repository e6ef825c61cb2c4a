import { type ExplanationView, paths } from '../../feed.js';
import { address } from '../data/api.js';
import { useLiveCluster, useMoment } from '../data/inspector.js';
import { useAnswer } from '../data/use-answer.js';
import { Empty } from '../parts/empty.js';
import { Skeleton } from '../parts/skeleton.js';
import type { About } from './about.js';
import { ExplanationCard } from './explanation-card.js';

/** How often the page asks the agents again. */
const ASK_AGAIN_MS = 2000;

export interface ExplanationsProps {
  readonly about: About;
  readonly name: string;
  /** Ask only this agent. */
  readonly agent: string | undefined;
}

/** The explanations of every agent that has one. */
export function Explanations({ about, name, agent }: ExplanationsProps) {
  const moment = useMoment();
  // Live agents explain only the present. A recorded agent explains the past too.
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
