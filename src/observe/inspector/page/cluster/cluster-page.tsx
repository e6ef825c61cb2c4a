import { useCluster, useInspector, useMoment } from '../data/inspector.js';
import { useObservable } from '../data/observable.js';
import { Empty } from '../parts/empty.js';
import { Skeleton } from '../parts/skeleton.js';
import { AgentCard } from './agent-card.js';
import { ArenaCard } from './arena-card.js';
import { Figures } from './figures.js';
import { LinksCard } from './links-card.js';

/** In a cluster of this size, the agents' cards fit beside the arenas. */
const CARDS_BESIDE_ARENAS_MAX = 6;

export function ClusterPage() {
  const { cluster, error } = useCluster();
  const { feed } = useInspector();
  const rates = useObservable(feed.state, (state) => state.rates);
  const isPast = useMoment() !== undefined;
  if (error !== undefined) return <Empty title="Nothing is known of this moment">{error}</Empty>;
  if (cluster === undefined) return <Skeleton rows={8} label="Loading the cluster" />;
  const { agents } = cluster;
  if (agents.length === 0) {
    return (
      <Empty title="No agent has been heard">
        <p>Start one that reaches the same NATS server:</p>
        <pre>kvferry agent --agent-id decode-0 --role decode --nats-url {cluster.source.name}</pre>
        <p>
          Or watch a demonstration: <code>kvferry demo --inspect</code>.
        </p>
      </Empty>
    );
  }
  const arenas = agents.filter(({ status }) => status.pages !== undefined);
  const cards = (
    <section class="agents" aria-label="Agents">
      {agents.map((agent) => (
        <AgentCard key={agent.agent} agent={agent} rates={isPast ? [] : (rates.get(agent.agent) ?? [])} />
      ))}
    </section>
  );
  const isSmall = agents.length <= CARDS_BESIDE_ARENAS_MAX;
  return (
    <div class="cluster">
      <Figures agents={agents} />
      <div class={arenas.length === 0 ? 'cluster-top alone' : 'cluster-top'}>
        <div class="cluster-side">
          <LinksCard agents={agents} />
          {isSmall && cards}
        </div>
        {arenas.length > 0 && (
          <div class="arenas">
            {arenas.map((agent) => (
              <ArenaCard key={agent.agent} agent={agent} />
            ))}
          </div>
        )}
      </div>
      {!isSmall && cards}
    </div>
  );
}
