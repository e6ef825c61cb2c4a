/**
 * Renders a placed chart as SVG text. Colours follow the viewer's light or dark setting. A state has its id in `data-state`.
 * An arrow and its label have the ids of both states in `data-source` and `data-target`.
 */
import type { Chart, ChartEdge, ChartState } from './chart.js';
import { type Box, headerHeight, INITIAL_SIZE, PADDING, type Placement, type Point } from './layout.js';
import {
  FONT_SIZE,
  LINE_HEIGHT,
  MACHINE_TITLE_SIZE,
  sentenceOfRow,
  type TextLine,
  type TextStyle,
  TITLE_SIZE,
  textWidth,
} from './text.js';

const CORNER = 8;
const LABEL_PADDING = 4;
const BASELINE = 10;
const LEGEND_HEIGHT = 48;

/** The purpose of a colour, and its light and dark value. */
const COLOURS: readonly (readonly [name: string, light: string, dark: string])[] = [
  ['paper', '#ffffff', '#0d1117'],
  ['group', '#f5f7fa', '#151b23'],
  ['state', '#ffffff', '#1f2733'],
  ['line', '#57606a', '#9aa5b1'],
  ['border', '#8c96a3', '#57626f'],
  ['text', '#1f2328', '#e6edf3'],
  ['event', '#0b3d91', '#8ab8ff'],
  ['guard', '#7a3e9d', '#d2a8ff'],
  ['after', '#8f5400', '#f0b849'],
  ['effect', '#116b4f', '#6fd3ae'],
  ['change', '#59626c', '#9aa5b1'],
  ['final', '#dfe5ec', '#303b49'],
];
const COLOURS_PER_LINE = 6;

const RULES = `
    text { font-family: Arial, Helvetica, 'Liberation Sans', sans-serif; font-size: ${FONT_SIZE}px; fill: var(--text); }
    .title { font-size: ${TITLE_SIZE}px; font-weight: bold; }
    .machine { font-size: ${MACHINE_TITLE_SIZE}px; font-weight: bold; }
    .event { fill: var(--event); font-weight: bold; }
    .after, .always { fill: var(--after); }
    .guard { fill: var(--guard); }
    .effect { fill: var(--effect); }
    .change { fill: var(--change); font-style: italic; }
    .name { font-weight: bold; }
    .word { fill: var(--change); }
    .paper { fill: var(--paper); }
    .group { fill: var(--group); stroke: var(--border); }
    .region { fill: var(--group); stroke: var(--border); stroke-dasharray: 6 4; }
    .state { fill: var(--state); stroke: var(--border); stroke-width: 1.4; }
    .final { fill: var(--final); stroke: var(--border); stroke-width: 1.4; }
    .inner { fill: none; stroke: var(--border); }
    .rule { stroke: var(--border); stroke-opacity: 0.5; }
    .edge { fill: none; stroke: var(--line); stroke-width: 1.4; }
    .always-edge { stroke-dasharray: 5 4; }
    .plate { fill: var(--group);  }
    .initial, .head { fill: var(--line); }`;

/** Style of a complete SVG file. */
const FILE_STYLE = `
    svg { ${coloursOf(([, light]) => light).join('\n      ')} }
    @media (prefers-color-scheme: dark) {
      svg { ${coloursOf(([, , dark]) => dark).join('\n        ')} }
    }${RULES}`;

/** Style sheet for drawings in a page. Colours follow the page's `color-scheme`, and the page may override them. */
export const PAGE_STYLE = `.machine-drawing {
    ${coloursOf(([, light, dark]) => `light-dark(${light}, ${dark})`).join('\n    ')}${RULES}
}
`;

/** The drawing as a complete file with its style. */
export function paintFile(chart: Chart, placement: Placement): string {
  return paint(chart, placement, { svg: '', id: '', style: `\n  <style>${FILE_STYLE}\n  </style>` });
}

/** The drawing as one of several in a page with `PAGE_STYLE`. */
export function paintInPage(chart: Chart, placement: Placement): string {
  return paint(chart, placement, { svg: ' class="machine-drawing"', id: `${chart.name}-`, style: '' });
}

/** How a drawing is embedded. */
interface Frame {
  /** Further attributes of the outermost element. */
  readonly svg: string;
  /** Prefix of its ids. */
  readonly id: string;
  readonly style: string;
}

function paint(chart: Chart, { width, height, states, edges, initials }: Placement, frame: Frame): string {
  const head = `${frame.id}head`;
  const [title, description] = [`${frame.id}title`, `${frame.id}description`];
  const parts: string[] = [];
  for (const { state, depth, box, lines } of states) parts.push(paintState(state, depth, box, lines));
  for (const { edge, points } of edges) parts.push(paintEdge(edge, points, head));
  for (const { edge, label } of edges) if (label !== undefined) parts.push(paintLabel(edge, label.box, label.lines));
  for (const { x, y } of initials) {
    parts.push(`<circle class="initial" cx="${number(x)}" cy="${number(y)}" r="${INITIAL_SIZE / 2}"/>`);
  }
  const fullWidth = Math.ceil(width);
  const fullHeight = Math.ceil(height + LEGEND_HEIGHT);
  return `<svg xmlns="http://www.w3.org/2000/svg"${frame.svg} role="img" aria-labelledby="${title} ${description}" width="${fullWidth}" height="${fullHeight}" viewBox="0 0 ${fullWidth} ${fullHeight}">
  <title id="${title}">The ${escaped(chart.name)} machine</title>
  <desc id="${description}">${escaped(describe(chart))}</desc>${frame.style}
  <defs>
    <marker id="${head}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto-start-reverse">
      <path class="head" d="M0 0.8 L10 5 L0 9.2 Z"/>
    </marker>
  </defs>
  <rect class="paper" width="${fullWidth}" height="${fullHeight}" rx="10"/>
  ${parts.join('\n  ')}
  ${paintLegend(16, height + 4, head)}
</svg>
`;
}

const BOX_STYLES: Readonly<Record<ChartState['kind'], string>> = {
  atomic: 'state',
  compound: 'group',
  parallel: 'group',
  region: 'region',
  final: 'final',
};

function paintState(state: ChartState, depth: number, box: Box, lines: readonly TextLine[]): string {
  const { x, y, width } = box;
  const titleSize = depth === 0 ? MACHINE_TITLE_SIZE : TITLE_SIZE;
  const titleWidth = textWidth(state.name, titleSize, true);
  const style = BOX_STYLES[state.kind];
  const titleX = style === 'state' || style === 'final' ? x + (width - titleWidth) / 2 : x + PADDING;
  const parts = [`<g data-state="${escaped(state.id)}"><title>${escaped(describeState(state))}</title>`];
  parts.push(rectangle(style, box, CORNER));
  if (state.kind === 'final') {
    parts.push(rectangle('inner', { x: x + 3, y: y + 3, width: width - 6, height: box.height - 6 }, CORNER - 2));
  }
  parts.push(text(depth === 0 ? 'machine' : 'title', state.name, titleX, y + 9 + titleSize * 0.85, titleWidth));
  if (lines.length > 0) {
    const ruleY = y + headerHeight(depth, 0) - 2;
    parts.push(
      `<line class="rule" x1="${number(x + PADDING)}" x2="${number(x + width - PADDING)}" y1="${number(ruleY)}" y2="${number(ruleY)}"/>`,
      ...paintLines(lines, x + PADDING, ruleY + 7),
    );
  }
  return `${parts.join('')}</g>`;
}

function paintEdge(edge: ChartEdge, points: readonly Point[], head: string): string {
  const alone = edge.rows.length > 0 && edge.rows.every((row) => row.triggers.every(({ kind }) => kind === 'always'));
  const name = edge.rows.length === 0 ? '' : `<title>${escaped(describeEdge(edge))}</title>`;
  return `<g${endsOf(edge)}>${name}<path class="edge${alone ? ' always-edge' : ''}" marker-end="url(#${head})" d="${roundedPath(points)}"/></g>`;
}

function paintLabel(edge: ChartEdge, box: Box, lines: readonly TextLine[]): string {
  const body = paintLines(lines, box.x + LABEL_PADDING, box.y + LABEL_PADDING).join('');
  return `<g${endsOf(edge)}><title>${escaped(describeEdge(edge))}</title>${rectangle('plate', box, 4)}${body}</g>`;
}

/** Both ends of an arrow. The arrow to an initial state has no source. */
function endsOf({ source, target, rows }: ChartEdge): string {
  return rows.length === 0 ? '' : ` data-source="${escaped(source)}" data-target="${escaped(target)}"`;
}

function paintLines(lines: readonly TextLine[], x: number, y: number): string[] {
  return lines.flatMap(({ pieces }, index) =>
    pieces.map((piece) =>
      text(
        piece.style === 'state' ? 'name' : piece.style,
        piece.text,
        x + piece.x,
        y + index * LINE_HEIGHT + BASELINE,
        piece.width,
      ),
    ),
  );
}

/** The legend: the meaning of the parts of a label. */
const LEGEND: readonly (readonly [TextStyle, string])[] = [
  ['event', 'event'],
  ['guard', '[only if]'],
  ['word', '/'],
  ['effect', 'effect of an actor,'],
  ['change', 'change of the context'],
];

function paintLegend(x: number, y: number, head: string): string {
  const parts: string[] = [];
  let left = x;
  for (const [style, label] of LEGEND) {
    const width = textWidth(label, FONT_SIZE, style === 'event');
    parts.push(text(style, label, left, y + BASELINE, width));
    left += width + 4;
  }
  left = x;
  for (const [style, label, edgeStyle] of [
    ['word', 'on an event', 'edge'],
    ['word', 'at once', 'edge always-edge'],
  ] as const) {
    parts.push(
      `<path class="${edgeStyle}" marker-end="url(#${head})" d="M${number(left)} ${number(y + LINE_HEIGHT + 6)} h34"/>`,
    );
    left += 40;
    const width = textWidth(label, FONT_SIZE);
    parts.push(text(style, label, left, y + LINE_HEIGHT + BASELINE, width));
    left += width + 20;
  }
  return `<g>${parts.join('')}</g>`;
}

/** A line with round corners. */
function roundedPath(points: readonly Point[]): string {
  const commands = points.map((point, index) => {
    const before = points[index - 1];
    const after = points[index + 1];
    if (before === undefined) return `M${pair(point)}`;
    if (after === undefined) return `L${pair(point)}`;
    const radius = Math.min(CORNER, distance(before, point) / 2, distance(point, after) / 2);
    return `L${pair(towards(point, before, radius))} Q${pair(point)} ${pair(towards(point, after, radius))}`;
  });
  return commands.join(' ');
}

function distance(from: Point, to: Point): number {
  return Math.hypot(to.x - from.x, to.y - from.y);
}

function towards(from: Point, to: Point, length: number): Point {
  const share = length / Math.max(distance(from, to), 1);
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}

function rectangle(style: string, { x, y, width, height }: Box, radius: number): string {
  return `<rect class="${style}" x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}" rx="${radius}"/>`;
}

function text(style: string, value: string, x: number, y: number, width: number): string {
  return `<text class="${style}" x="${number(x)}" y="${number(y)}" textLength="${number(width)}" lengthAdjust="spacingAndGlyphs">${escaped(value)}</text>`;
}

function describe(chart: Chart): string {
  const name = (id: string) => id.slice(id.indexOf('.') + 1);
  const edges = chart.edges.map(
    ({ source, target, rows }) => `${name(source)} to ${name(target)}: ${rows.map(sentenceOfRow).join('; ')}.`,
  );
  return `Begins in ${beginningsOf(chart.root).map(name).join(' and ')}. ${edges.join(' ')}`;
}

/** Ids of the initial states, without outer states. */
function beginningsOf(state: ChartState): string[] {
  const entered = state.states.filter(({ id }) => state.kind === 'parallel' || id === state.initial);
  return entered.length === 0 ? [state.id] : entered.flatMap(beginningsOf);
}

function describeState(state: ChartState): string {
  const entry = state.entry.map((action) => action.text).join(', ');
  const kind = state.kind === 'final' ? ', final' : '';
  return `${state.name}${kind}${entry === '' ? '' : `: entry / ${entry}`}`;
}

function describeEdge({ rows }: ChartEdge): string {
  return rows.map(sentenceOfRow).join('; ');
}

/** CSS variables, several on a line. */
function coloursOf(value: (colour: (typeof COLOURS)[number]) => string): string[] {
  const all = COLOURS.map((colour) => `--${colour[0]}: ${value(colour)};`);
  return Array.from({ length: Math.ceil(all.length / COLOURS_PER_LINE) }, (_, line) =>
    all.slice(line * COLOURS_PER_LINE, (line + 1) * COLOURS_PER_LINE).join(' '),
  );
}

function pair({ x, y }: Point): string {
  return `${number(x)} ${number(y)}`;
}

function number(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
