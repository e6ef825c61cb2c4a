/** Positions of agents and links in the drawing: senders on the left, receivers on the right. */
import { bytesPerSecond } from '../format.js';
import { toneOfState, worst } from '../tones.js';
import type { Link } from './links.js';

export const NODE_HEIGHT = 36;
const NODE_WIDTH_MAX = 136;
/** Fraction of the width for nodes. The lines need the rest. */
const NODE_SHARE_MAX = 0.32;
export const GRAPH_WIDTH_MAX = 640;
const ROW_HEIGHT = 64;
/** Space for the border of a node. */
const MARGIN = 2;

const CHARACTER_WIDTH = 6.2;
const LABEL_PADDING = 14;
const LINE_HEIGHT = 15;
/** Places of a label on its line, best first. The first place without an overlap is taken. */
const LABEL_PLACES = [0.5, 0.36, 0.64, 0.24, 0.76] as const;

export interface GraphNode {
  readonly name: string;
  readonly x: number;
  /** Position of the middle. */
  readonly y: number;
}

export interface GraphLabel {
  /** Position of the middle. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly lines: readonly string[];
}

export interface GraphLine {
  readonly link: Link;
  readonly path: string;
  readonly label: GraphLabel;
}

export interface Graph {
  readonly width: number;
  readonly height: number;
  readonly nodeWidth: number;
  readonly nodes: readonly GraphNode[];
  readonly lines: readonly GraphLine[];
}

/** End points of the lines. */
interface Gap {
  readonly fromX: number;
  readonly toX: number;
}

/** Omits links of agents outside the columns. `available`: greatest width, in pixels. */
export function layOutGraph(
  links: readonly Link[],
  senders: readonly string[],
  receivers: readonly string[],
  available: number,
): Graph {
  const width = Math.min(GRAPH_WIDTH_MAX, available);
  const nodeWidth = Math.min(NODE_WIDTH_MAX, Math.floor(width * NODE_SHARE_MAX));
  const gap = { fromX: MARGIN + nodeWidth, toX: width - MARGIN - nodeWidth };
  const height = Math.max(senders.length, receivers.length, 1) * ROW_HEIGHT;
  const column = (names: readonly string[], x: number) =>
    names.map((name, index): GraphNode => {
      const top = (height - names.length * ROW_HEIGHT) / 2;
      return { name, x, y: top + index * ROW_HEIGHT + ROW_HEIGHT / 2 };
    });
  const left = column(senders, MARGIN);
  const right = column(receivers, gap.toX);
  const lines: GraphLine[] = [];
  for (const link of links) {
    const from = left.find(({ name }) => name === link.sender);
    const to = right.find(({ name }) => name === link.receiver);
    if (from === undefined || to === undefined) continue;
    lines.push({ link, path: pathOf(gap, from.y, to.y), label: placeLabel(link, gap, from.y, to.y, lines) });
  }
  return { width, height, nodeWidth, nodes: [...left, ...right], lines };
}

function pathOf({ fromX, toX }: Gap, fromY: number, toY: number): string {
  const middle = (fromX + toX) / 2;
  return `M${fromX} ${fromY} C${middle} ${fromY} ${middle} ${toY} ${toX} ${toY}`;
}

/** The point at that fraction of the curve. */
function pointAt(
  share: number,
  { fromX, toX }: Gap,
  fromY: number,
  toY: number,
): { readonly x: number; readonly y: number } {
  const rest = 1 - share;
  const [a, b, c, d] = [rest ** 3, 3 * rest ** 2 * share, 3 * rest * share ** 2, share ** 3];
  const middle = (fromX + toX) / 2;
  return { x: a * fromX + (b + c) * middle + d * toX, y: (a + b) * fromY + (c + d) * toY };
}

function placeLabel(link: Link, gap: Gap, fromY: number, toY: number, others: readonly GraphLine[]): GraphLabel {
  const lines = labelOf(link);
  const width = Math.max(...lines.map((line) => line.length)) * CHARACTER_WIDTH + LABEL_PADDING;
  const height = lines.length * LINE_HEIGHT + 4;
  const places = LABEL_PLACES.map((share) => ({ ...pointAt(share, gap, fromY, toY), width, height, lines }));
  const free = places.find((place) => !others.some(({ label }) => overlap(place, label)));
  return free ?? (places[0] as GraphLabel);
}

function overlap(a: GraphLabel, b: GraphLabel): boolean {
  return Math.abs(a.x - b.x) < (a.width + b.width) / 2 && Math.abs(a.y - b.y) < (a.height + b.height) / 2;
}

/** Provider and throughput of the link and, unless both ends are healthy, the worse state. */
function labelOf({ provider, fallback, bytesPerS, tone, atSender, atReceiver }: Link): readonly string[] {
  const how = `${provider ?? 'not connected'}${fallback.length > 0 ? ' (fallback)' : ''}`;
  const first = bytesPerS === undefined ? how : `${how} · ${bytesPerSecond(bytesPerS)}`;
  if (tone === 'good') return [first];
  const bad = [atSender, atReceiver].flatMap((state) => state?.split(' and ') ?? []);
  const gravest = worst(bad.map((state) => toneOfState('peer', state)));
  const state = bad.find((each) => toneOfState('peer', each) === gravest);
  return state === undefined ? [first] : [first, state];
}
