/** Places every state, arrow and label of a chart. Deterministic: no clock, no random numbers, no fonts. */
import ElkModule, { type ElkExtendedEdge, type ElkNode } from 'elkjs/lib/elk.bundled.js';
import type { Chart, ChartEdge, ChartState } from './chart.js';
import {
  FONT_SIZE,
  LINE_HEIGHT,
  linesOfRow,
  linesOfState,
  MACHINE_TITLE_SIZE,
  type TextLine,
  TITLE_SIZE,
  textWidth,
} from './text.js';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

export interface PlacedState {
  readonly state: ChartState;
  readonly depth: number;
  readonly box: Box;
  readonly lines: readonly TextLine[];
}

export interface PlacedEdge {
  readonly edge: ChartEdge;
  readonly points: readonly Point[];
  /** The arrow to an initial state has no label. */
  readonly label: { readonly box: Box; readonly lines: readonly TextLine[] } | undefined;
}

export interface Placement {
  readonly width: number;
  readonly height: number;
  /** Outer states before the states inside them. */
  readonly states: readonly PlacedState[];
  readonly edges: readonly PlacedEdge[];
  /** Centres of the dots that mark initial states. */
  readonly initials: readonly Point[];
}

export const PADDING = 12;
export const INITIAL_SIZE = 12;
const LABEL_PADDING = 4;
const STATE_GAP = 28;
const MARGIN = 16;
/** Height of the legend below the chart. */
const MACHINE_WIDTH_MIN = 340;
const STATE_WIDTH_MIN = 90;
const GROUP_PADDING = 20;

const COMMON_OPTIONS = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.edgeRouting': 'ORTHOGONAL',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.json.shapeCoords': 'ROOT',
  'elk.json.edgeCoords': 'ROOT',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.layered.spacing.nodeNodeBetweenLayers': String(STATE_GAP),
  'elk.layered.spacing.edgeNodeBetweenLayers': '16',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '12',
  'elk.spacing.nodeNode': String(STATE_GAP),
  'elk.spacing.edgeNode': '18',
  'elk.spacing.edgeEdge': '14',
  'elk.spacing.edgeLabel': '4',
  'elk.spacing.labelNode': '8',
  'elk.randomSeed': '1',
} as const;

export async function layOut(chart: Chart): Promise<Placement> {
  const { placed, widen } = await arrange(chart, new Map());
  // A frame is as wide as its children. If its own text needs more, the layout runs again with wider margins.
  return widen.size === 0 ? placed : (await arrange(chart, widen)).placed;
}

/** `widen`: missing pixels for the text of each frame, by state. */
async function arrange(
  chart: Chart,
  widening: ReadonlyMap<string, number>,
): Promise<{ placed: Placement; widen: ReadonlyMap<string, number> }> {
  const texts = new Map<string, StateText>();
  const initialEdges: ChartEdge[] = [];
  const root = toElk(chart.root, 0, widening, texts, initialEdges);
  const edges = [...initialEdges, ...chart.edges];
  const order = [...texts.keys()];
  const isBack = ({ source, target }: ChartEdge) => order.indexOf(source) > order.indexOf(target);
  const elk = new ElkModule.default();
  const placed: ElkNode = await elk.layout<ElkNode>({
    id: 'drawing',
    layoutOptions: { ...COMMON_OPTIONS, 'elk.padding': padding(MARGIN, MARGIN, MARGIN) },
    children: [root],
    edges: edges.map((edge, index) => toElkEdge(edge, index, isBack)),
  });

  const boxes = new Map<string, Box>();
  const collect = (node: ElkNode) => {
    boxes.set(node.id, { x: node.x ?? 0, y: node.y ?? 0, width: node.width ?? 0, height: node.height ?? 0 });
    for (const child of node.children ?? []) collect(child);
  };
  collect(placed);
  const boxOf = (id: string): Box => {
    const box = boxes.get(id);
    if (box === undefined) throw new Error(`${id} was not placed`);
    return box;
  };
  const widen = new Map<string, number>();
  for (const [id, { width }] of texts) if (width > boxOf(id).width) widen.set(id, width - boxOf(id).width);
  return {
    widen,
    placed: {
      width: placed.width ?? 0,
      height: placed.height ?? 0,
      states: [...texts].map(([id, { state, depth, lines }]) => ({ state, depth, lines, box: boxOf(id) })),
      edges: (placed.edges ?? []).map((placedEdge, index) => {
        const edge = edges[index] as ChartEdge;
        return placeEdge(placedEdge, edge, isBack(edge));
      }),
      initials: initialEdges.map(({ source }) => {
        const { x, y, width, height } = boxOf(source);
        return { x: x + width / 2, y: y + height / 2 };
      }),
    },
  };
}

interface StateText {
  readonly state: ChartState;
  readonly depth: number;
  readonly lines: readonly TextLine[];
  /** Size of the title and the lines. */
  readonly width: number;
}

function toElk(
  state: ChartState,
  depth: number,
  widening: ReadonlyMap<string, number>,
  texts: Map<string, StateText>,
  initialEdges: ChartEdge[],
): ElkNode {
  const lines = linesOfState(state);
  const titleWidth = textWidth(state.name, depth === 0 ? MACHINE_TITLE_SIZE : TITLE_SIZE, true);
  const textual = Math.ceil(Math.max(titleWidth, ...lines.map((line) => line.width)) + 2 * PADDING);
  const width = Math.max(textual, depth === 0 ? MACHINE_WIDTH_MIN : STATE_WIDTH_MIN);
  texts.set(state.id, { state, depth, lines, width });
  const header = headerHeight(depth, lines.length);
  if (state.states.length === 0) return { id: state.id, width, height: header };
  const children = state.states.map((child) => toElk(child, depth + 1, widening, texts, initialEdges));
  if (state.initial !== undefined) {
    const id = `initial ${state.id}`;
    initialEdges.push({ source: id, target: state.initial, rows: [] });
    children.unshift({ id, width: INITIAL_SIZE, height: INITIAL_SIZE });
  }
  const side = GROUP_PADDING + Math.ceil((widening.get(state.id) ?? 0) / 2);
  const layoutOptions = { ...COMMON_OPTIONS, 'elk.padding': padding(header + 10, side, GROUP_PADDING) };
  return { id: state.id, children, layoutOptions };
}

/** Height of the title and the lines below it. */
export function headerHeight(depth: number, lines: number): number {
  const title = (depth === 0 ? MACHINE_TITLE_SIZE : TITLE_SIZE) + 18;
  return lines === 0 ? title : title + lines * LINE_HEIGHT + 10;
}

/** Arrows keep the order of the definition, including those that lead back, so that the first state is on top. */
function toElkEdge(edge: ChartEdge, index: number, isBack: (edge: ChartEdge) => boolean): ElkExtendedEdge {
  const lines = edge.rows.flatMap(linesOfRow);
  const width = Math.ceil(Math.max(0, ...lines.map((line) => line.width))) + 2 * LABEL_PADDING;
  const height = lines.length * LINE_HEIGHT + 2 * LABEL_PADDING - (LINE_HEIGHT - FONT_SIZE);
  const label = { text: 'label', width, height, layoutOptions: { 'elk.edgeLabels.inline': 'true' } };
  const [source, target] = isBack(edge) ? [edge.target, edge.source] : [edge.source, edge.target];
  return { id: `edge ${index}`, sources: [source], targets: [target], labels: lines.length === 0 ? [] : [label] };
}

function placeEdge(placed: ElkExtendedEdge, edge: ChartEdge, reversed: boolean): PlacedEdge {
  const forward = (placed.sections ?? []).flatMap(({ startPoint, bendPoints, endPoint }) => [
    startPoint,
    ...(bendPoints ?? []),
    endPoint,
  ]);
  const points = reversed ? forward.toReversed() : forward;
  const label = placed.labels?.[0];
  if (label === undefined) return { edge, points, label };
  const { x = 0, y = 0, width = 0, height = 0 } = label;
  return { edge, points, label: { box: { x, y, width, height }, lines: edge.rows.flatMap(linesOfRow) } };
}

function padding(top: number, sides: number, bottom: number): string {
  return `[top=${top},left=${sides},bottom=${bottom},right=${sides}]`;
}
