import { useRef } from 'preact/hooks';
import type { AgentView } from '../../feed.js';
import { useInspector } from '../data/inspector.js';
import { useWidth } from '../data/use-width.js';
import { GRAPH_AGENTS_MAX } from '../limits.js';
import { Empty } from '../parts/empty.js';
import { toneOfState } from '../tones.js';
import { GRAPH_WIDTH_MAX, type GraphLine, type GraphNode, layOutGraph, NODE_HEIGHT } from './graph-layout.js';
import type { GraphLabel } from './link-labels.js';
import { columnsOf, type Link, linksOf } from './links.js';

/** Width of a character of a node's name, and of the rest of the node. */
const CHARACTER_WIDTH = 7.2;
const BESIDE_NAME = 34;

/** The links between agents. */
export function LinksCard({ agents }: { readonly agents: readonly AgentView[] }) {
  const links = linksOf(agents);
  const { senders, receivers } = columnsOf(agents);
  const left = senders.slice(0, GRAPH_AGENTS_MAX);
  const right = receivers.slice(0, GRAPH_AGENTS_MAX);
  const undrawn = senders.length + receivers.length - left.length - right.length;
  const frame = useRef<HTMLElement>(null);
  const { width, height, nodeWidth, nodes, lines, shared } = layOutGraph(
    links,
    left,
    right,
    useWidth(frame) || GRAPH_WIDTH_MAX,
  );
  const byName = new Map(agents.map((agent) => [agent.agent, agent]));
  return (
    <section class="card links" aria-label="Links" ref={frame}>
      <header class="card-head">
        <h3>Links</h3>
        <span class="card-aside">prefill → decode</span>
      </header>
      <svg class="graph" width={width} height={height} role="img" aria-label={describe(links)}>
        {lines.map((line) => (
          <Line key={`${line.link.sender} ${line.link.receiver}`} line={line} />
        ))}
        {lines.map(
          ({ link, label }) =>
            label !== undefined && <Label key={`${link.sender} ${link.receiver}`} link={link} label={label} />,
        )}
        {nodes.map((node) => (
          <Node key={`${node.x} ${node.name}`} node={node} width={nodeWidth} agent={byName.get(node.name)} />
        ))}
      </svg>
      {shared !== undefined && <p class="hint">Lines without a label: {shared}</p>}
      {links.length === 0 && (
        <Empty title="No links yet">A prefill agent connects to a decode agent with its first put.</Empty>
      )}
      {undrawn > 0 && <p class="hint">and {undrawn} more agents, listed below</p>}
    </section>
  );
}

function Line({ line: { link, path } }: { readonly line: GraphLine }) {
  return (
    <g class={`link tone-${link.tone}`}>
      <title>{sentence(link)}</title>
      <path class="link-line" d={path} />
      {(link.bytesPerS ?? 0) > 0 && <path class="link-flow" d={path} />}
    </g>
  );
}

function Label({ link, label }: { readonly link: Link; readonly label: GraphLabel }) {
  const { x, y, width, height, lines } = label;
  return (
    <g class={`link-label tone-${link.tone}`} transform={`translate(${x.toFixed(1)} ${y.toFixed(1)})`}>
      <title>{sentence(link)}</title>
      <rect x={-width / 2} y={-height / 2} width={width} height={height} rx={4} />
      {lines.map((text, index) => (
        <text
          key={text}
          class={index > 0 ? 'link-state' : ''}
          y={-height / 2 + 2 + ((index + 0.75) * (height - 4)) / lines.length}
        >
          {text}
        </text>
      ))}
    </g>
  );
}

interface NodeProps {
  readonly node: GraphNode;
  readonly width: number;
  readonly agent: AgentView | undefined;
}

function Node({ node: { name, x, y }, width, agent }: NodeProps) {
  const { navigation } = useInspector();
  const isSilent = agent?.silentMs !== undefined;
  const tone = isSilent ? 'bad' : toneOfState('agent', agent?.status.state ?? 'stopped');
  const characters = Math.floor((width - BESIDE_NAME) / CHARACTER_WIDTH);
  const shown = name.length > characters ? `${name.slice(0, characters - 1)}…` : name;
  return (
    <g class={isSilent ? 'node silent' : 'node'} transform={`translate(${x} ${y - NODE_HEIGHT / 2})`}>
      <a href={navigation.href('machines', [], { agent: name })} aria-label={`Machines of ${name}`}>
        <title>{name}</title>
        <rect width={width} height={NODE_HEIGHT} rx={6} />
        <circle class={`tone-${tone}`} cx={14} cy={NODE_HEIGHT / 2} r={4} />
        <text x={26} y={NODE_HEIGHT / 2 + 4}>
          {shown}
        </text>
      </a>
    </g>
  );
}

function sentence({ sender, receiver, provider, detail, fallback, atSender, atReceiver }: Link): string {
  const parts = [
    `${sender} to ${receiver}: ${provider ?? 'not connected'}${detail === undefined ? '' : ` (${detail})`}`,
    atSender === undefined ? undefined : `${sender} reports ${atSender}`,
    atReceiver === undefined ? undefined : `${receiver} reports ${atReceiver}`,
    fallback.length === 0 ? undefined : `fell back: ${fallback.join('; ')}`,
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}

function describe(links: readonly Link[]): string {
  return links.length === 0 ? 'No links' : links.map(sentence).join('. ');
}
