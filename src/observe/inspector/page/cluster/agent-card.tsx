import type { AgentView } from '../../feed.js';
import { useInspector } from '../data/inspector.js';
import { throughputText } from '../data/throughput.js';
import { bytes, count, duration, perSecond, plural, shortEpoch } from '../format.js';
import { Chip } from '../parts/chip.js';
import { Meter } from '../parts/meter.js';
import { Sparkline } from '../parts/sparkline.js';
import { toneOfState } from '../tones.js';

export interface AgentCardProps {
  readonly agent: AgentView;
  /** Throughput, oldest first. */
  readonly rates: readonly number[];
}

export function AgentCard({ agent: view, rates }: AgentCardProps) {
  const { navigation } = useInspector();
  const { agent, epoch, silentMs, description, status } = view;
  const isSilent = silentMs !== undefined;
  return (
    <article class={isSilent ? 'card agent silent' : 'card agent'} aria-label={`Agent ${agent}`}>
      <header class="card-head">
        <h3>{agent}</h3>
        <Chip>{description.role}</Chip>
        {isSilent ? (
          <Chip tone="bad">silent for {duration(silentMs)}</Chip>
        ) : (
          <Chip tone={toneOfState('agent', status.state)}>{status.state}</Chip>
        )}
        <span class="card-aside" title={`Epoch ${epoch}, version ${description.version}`}>
          <code>{shortEpoch(epoch)}</code> up {duration(status.uptimeMs)}
        </span>
      </header>
      <div class="throughput">
        <p>
          <strong>{throughputText(view)}</strong>
          <span>{perSecond(view.rates.requestsPerS)} requests/s</span>
        </p>
        <Sparkline values={rates} label={`Throughput of ${agent} in the last minute`} />
      </div>
      <dl class="facts">
        <Providers view={view} />
        <Fact name="Requests">
          <a href={navigation.href('requests', [], { agent })}>{count(status.requestsTotal)} in progress</a>
          {status.queued > 0 && (
            <>
              {' '}
              <Chip tone="wait">{count(status.queued)} wait for pages</Chip>
            </>
          )}
        </Fact>
        {status.segments.length > 0 && (
          <Fact name="Segments">
            {plural(status.segments.length, 'segment')},{' '}
            {bytes(status.segments.reduce((total, segment) => total + segment.bytes, 0))};{' '}
            {plural(
              status.segments.reduce((total, segment) => total + segment.chunksInUse, 0),
              'chunk',
            )}{' '}
            in use
          </Fact>
        )}
        {status.staging !== undefined && (
          <Fact name="Staging">
            <Meter
              value={status.staging.total - status.staging.free}
              max={status.staging.total}
              label={`${count(status.staging.lent)} lent, ${count(status.staging.inUse)} in use, of ${count(status.staging.total)}`}
            />
          </Fact>
        )}
      </dl>
      <footer class="card-foot">
        <a href={navigation.href('machines', [], { agent })}>Its machines</a>
      </footer>
    </article>
  );
}

/** The agent's providers, its unavailable ones with the reason, and links on a worse provider than preferred. */
function Providers({ view: { description, status } }: { readonly view: AgentView }) {
  const { endpoints, unavailable } = description;
  const fallbacks = status.peers.filter(({ fallback }) => fallback.length > 0);
  const used = [...new Set(status.peers.map(({ provider }) => provider).filter((provider) => provider !== undefined))];
  return (
    <>
      {endpoints.length > 0 && (
        <Fact name="Reached by">
          {endpoints.map(({ provider, detail }, index) => (
            <span key={provider} title={detail}>
              {index > 0 ? ', ' : ''}
              {provider} <span class="soft">{detail === provider ? '' : detail}</span>
            </span>
          ))}
        </Fact>
      )}
      {used.length > 0 && (
        <Fact name="Uses">
          {used.join(', ')} <span class="soft">with {plural(status.peers.length, 'peer')}</span>
        </Fact>
      )}
      {unavailable.map(({ provider, reason }) => (
        <Fact key={provider} name="Not to be had">
          <span class="warned">
            {provider}: {reason}
          </span>
        </Fact>
      ))}
      {fallbacks.map(({ agent, epoch, provider, fallback }) => (
        <Fact key={`${agent} ${epoch}`} name="Fell back">
          <span class="warned">
            {provider ?? 'no provider'} with {agent}: {fallback.join('; ')}
          </span>
        </Fact>
      ))}
    </>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
