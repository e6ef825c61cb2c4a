import type { AgentView } from '../../feed.js';
import { bytesPerSecond, count, duration, perSecond } from '../format.js';
import type { Tone } from '../tones.js';

/** The cluster in six numbers. A problem has a colour. */
export function Figures({ agents }: { readonly agents: readonly AgentView[] }) {
  const sum = (value: (agent: AgentView) => number) => agents.reduce((total, agent) => total + value(agent), 0);
  const silent = agents.filter(({ silentMs }) => silentMs !== undefined).length;
  const queued = sum(({ status }) => status.queued);
  const quarantined = sum(({ status }) => status.pages?.quarantined ?? 0);
  const oldestMs = agents.reduce((oldest, { status }) => Math.max(oldest, status.quarantineAgeMs ?? 0), 0);
  // Each request is at two agents. Receivers count it or, without a receiver, senders.
  const receivers = agents.filter(({ status }) => status.pages !== undefined);
  const counted = receivers.length > 0 ? receivers : agents;
  const inProgress = counted.reduce((total, { status }) => total + status.requestsTotal, 0);
  const ended = counted.reduce((total, { rates }) => total + rates.requestsPerS, 0);
  const moved = sum(({ rates }) => rates.bytesPerS);
  return (
    <dl class="figures">
      <Figure name="Throughput" value={bytesPerSecond(moved)} />
      <Figure name="Requests ended" value={`${perSecond(ended)}/s`} />
      <Figure name="In progress" value={count(inProgress)} />
      <Figure name="Wait for pages" value={count(queued)} tone={queued > 0 ? 'wait' : 'quiet'} />
      <Figure
        name="Quarantined pages"
        value={count(quarantined)}
        tone={quarantined > 0 ? 'bad' : 'quiet'}
        {...(quarantined > 0 ? { note: `oldest ${duration(oldestMs)}` } : {})}
      />
      <Figure
        name="Agents"
        value={count(agents.length)}
        tone={silent > 0 ? 'bad' : 'quiet'}
        {...(silent > 0 ? { note: `${silent} silent` } : {})}
      />
    </dl>
  );
}

interface FigureProps {
  readonly name: string;
  readonly value: string;
  readonly tone?: Tone;
  readonly note?: string;
}

function Figure({ name, value, tone = 'quiet', note }: FigureProps) {
  return (
    <div class={`figure tone-${tone}`}>
      <dt>{name}</dt>
      <dd>
        {value}
        {note !== undefined && <small>{note}</small>}
      </dd>
    </div>
  );
}
