/** The labels of links, and their places: each on its own line, on no other line and no other label, as far as possible. */
import { bytesPerSecond } from '../format.js';
import { toneOfState, worst } from '../tones.js';
import type { Link } from './links.js';

const CHARACTER_WIDTH = 6.2;
const LABEL_PADDING = 14;
const LINE_HEIGHT = 15;
/** Places of a label, as fractions of its line, best first: from the middle to both ends. */
const PLACES = [0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.22, 0.24, 0.26, 0.28, 0.3].flatMap(
  (offset) => (offset === 0 ? [0.5] : [0.5 - offset, 0.5 + offset]),
);
/** Points of a line that a label must not cover. */
const POINTS_OF_LINE = 96;
/** What another label, or a label that reaches over a node, costs in covered points. */
const OVERLAP_COST = 1000;

/** End points of a line. */
export interface Curve {
  readonly fromX: number;
  readonly toX: number;
  readonly fromY: number;
  readonly toY: number;
}

export interface GraphLabel {
  /** Position of the middle. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly lines: readonly string[];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Places labels one after another. */
export class LabelPlacer {
  readonly #curves: readonly { readonly curve: Curve; readonly points: readonly Point[] }[];
  readonly #placed: GraphLabel[] = [];

  constructor(curves: readonly Curve[]) {
    this.#curves = curves.map((curve) => ({ curve, points: pointsOf(curve) }));
  }

  place(lines: readonly string[], curve: Curve): GraphLabel {
    const width = Math.max(...lines.map((line) => line.length)) * CHARACTER_WIDTH + LABEL_PADDING;
    const height = lines.length * LINE_HEIGHT + 4;
    const places = PLACES.map((share): GraphLabel => ({ ...pointAt(share, curve), width, height, lines }));
    const costs = places.map((place) => this.#costOf(place, curve));
    const best = places[costs.indexOf(Math.min(...costs))] as GraphLabel;
    this.#placed.push(best);
    return best;
  }

  #costOf(label: GraphLabel, own: Curve): number {
    const overlaps = this.#placed.filter((other) => overlap(label, other)).length;
    const isBetweenNodes = label.x - label.width / 2 >= own.fromX && label.x + label.width / 2 <= own.toX;
    const covered = this.#curves
      .filter(({ curve }) => curve !== own)
      .flatMap(({ points }) => points.filter((point) => covers(label, point)));
    return covered.length + OVERLAP_COST * (overlaps + (isBetweenNodes ? 0 : 1));
  }
}

function pointsOf(curve: Curve): Point[] {
  return Array.from({ length: POINTS_OF_LINE + 1 }, (_, index) => pointAt(index / POINTS_OF_LINE, curve));
}

/** The point at that fraction of the curve. */
export function pointAt(share: number, { fromX, toX, fromY, toY }: Curve): Point {
  const rest = 1 - share;
  const [a, b, c, d] = [rest ** 3, 3 * rest ** 2 * share, 3 * rest * share ** 2, share ** 3];
  const middle = (fromX + toX) / 2;
  return { x: a * fromX + (b + c) * middle + d * toX, y: (a + b) * fromY + (c + d) * toY };
}

function covers({ x, y, width, height }: GraphLabel, point: Point): boolean {
  return Math.abs(x - point.x) < width / 2 && Math.abs(y - point.y) < height / 2;
}

function overlap(a: GraphLabel, b: GraphLabel): boolean {
  return Math.abs(a.x - b.x) < (a.width + b.width) / 2 && Math.abs(a.y - b.y) < (a.height + b.height) / 2;
}

/** Provider and throughput of the link and, unless both ends are healthy, the worse state. */
export function labelOf({ provider, fallback, bytesPerS = 0, tone, atSender, atReceiver }: Link): readonly string[] {
  const how = `${provider ?? 'not connected'}${fallback.length > 0 ? ' (fallback)' : ''}`;
  const first = bytesPerS === 0 ? how : `${how} · ${bytesPerSecond(bytesPerS)}`;
  if (tone === 'good') return [first];
  const bad = [atSender, atReceiver].flatMap((state) => state?.split(' and ') ?? []);
  const gravest = worst(bad.map((state) => toneOfState('peer', state)));
  const state = bad.find((each) => toneOfState('peer', each) === gravest);
  return state === undefined ? [first] : [first, state];
}
