/** Positions of agents and links in the drawing: senders on the left, receivers on the right. */
import { type Curve, type GraphLabel, LabelPlacer, labelOf } from './link-labels.js';
import type { Link } from './links.js';

export const NODE_HEIGHT = 36;
const NODE_WIDTH_MAX = 136;
/** Fraction of the width for nodes. The lines need the rest. */
const NODE_SHARE_MAX = 0.32;
export const GRAPH_WIDTH_MAX = 640;
const ROW_HEIGHT = 72;
/** Space for the border of a node. */
const MARGIN = 2;

export interface GraphNode {
  readonly name: string;
  readonly x: number;
  /** Position of the middle. */
  readonly y: number;
}

export interface GraphLine {
  readonly link: Link;
  readonly path: string;
  /** Undefined for a link with the shared label. */
  readonly label?: GraphLabel;
}

export interface Graph {
  readonly width: number;
  readonly height: number;
  readonly nodeWidth: number;
  readonly nodes: readonly GraphNode[];
  readonly lines: readonly GraphLine[];
  /** Label of the lines without one. */
  readonly shared?: string;
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
  const [fromX, toX] = [MARGIN + nodeWidth, width - MARGIN - nodeWidth];
  const height = Math.max(senders.length, receivers.length, 1) * ROW_HEIGHT;
  const column = (names: readonly string[], x: number) =>
    names.map((name, index): GraphNode => {
      const top = (height - names.length * ROW_HEIGHT) / 2;
      return { name, x, y: top + index * ROW_HEIGHT + ROW_HEIGHT / 2 };
    });
  const left = column(senders, MARGIN);
  const right = column(receivers, toX);
  const drawn = links.flatMap((link) => {
    const from = left.find(({ name }) => name === link.sender);
    const to = right.find(({ name }) => name === link.receiver);
    if (from === undefined || to === undefined) return [];
    return [{ link, curve: { fromX, toX, fromY: from.y, toY: to.y } }];
  });
  const shared = sharedLabel(drawn.map(({ link }) => link));
  const placer = new LabelPlacer(drawn.map(({ curve }) => curve));
  const lines = drawn.map(({ link, curve }): GraphLine => {
    const texts = labelOf(link);
    const path = pathOf(curve);
    return isShared(texts, shared) ? { link, path } : { link, path, label: placer.place(texts, curve) };
  });
  return { width, height, nodeWidth, nodes: [...left, ...right], lines, ...(shared === undefined ? {} : { shared }) };
}

/** The label of most links. A graph with the same word on every line says it once. */
function sharedLabel(links: readonly Link[]): string | undefined {
  const labels = links.map(labelOf);
  return labels
    .map(([text = '']) => text)
    .find((text) => {
      const alike = labels.filter((texts) => isShared(texts, text)).length;
      return alike > 1 && alike * 2 > links.length;
    });
}

/** The label of a link that is not healthy has a second line, and is always drawn. */
function isShared(texts: readonly string[], shared: string | undefined): boolean {
  return texts.length === 1 && texts[0] === shared;
}

function pathOf({ fromX, toX, fromY, toY }: Curve): string {
  const middle = (fromX + toX) / 2;
  return `M${fromX} ${fromY} C${middle} ${fromY} ${middle} ${toY} ${toX} ${toY}`;
}
