/**
 * Breaks text into lines of known width. Widths come from a fixed table for Arial and fonts with its metrics, so that the
 * same machine gives the same drawing on every system. The drawing states the width of each piece, so another font
 * changes the look slightly and the layout not at all.
 */
import type { ChartAction, ChartRow, ChartState, ChartTrigger } from './chart.js';

export type TextStyle = 'title' | 'event' | 'after' | 'always' | 'guard' | 'effect' | 'change' | 'state' | 'word';

export interface TextPiece {
  readonly style: TextStyle;
  readonly text: string;
  /** Distance from the start of the line. */
  readonly x: number;
  readonly width: number;
}

export interface TextLine {
  readonly pieces: readonly TextPiece[];
  readonly width: number;
}

/** Font size of all text except titles. */
export const FONT_SIZE = 12;
export const TITLE_SIZE = 14;
export const MACHINE_TITLE_SIZE = 18;
export const LINE_HEIGHT = 17;

/** Width in pixels at which a list of actions wraps. */
const WRAP_WIDTH = 220;
const INDENT = 10;
const BOLD_FACTOR = 1.07;
const BOLD_STYLES: ReadonlySet<TextStyle> = new Set(['event', 'state']);

/** Widths of the characters from space to tilde, in thousandths of the font size. */
const CHARACTER_WIDTHS = [
  278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
  556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
  722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
  556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
  260, 334, 584,
];
const OTHER_CHARACTER_WIDTH = 600;
const SPACE_WIDTH = 278;

/** Width of a text in pixels. */
export function textWidth(text: string, fontSize: number, bold = false): number {
  let thousandths = 0;
  for (const character of text) {
    thousandths += CHARACTER_WIDTHS[(character.codePointAt(0) ?? 0) - 32] ?? OTHER_CHARACTER_WIDTH;
  }
  return Math.ceil((thousandths * fontSize * (bold ? BOLD_FACTOR : 1)) / 100) / 10;
}

/** The label of an arrow. */
export function linesOfRow(row: ChartRow): TextLine[] {
  return [...linesOfTriggers(row).map((line) => line.build()), ...wrapPieces('/', INDENT, piecesOf(row.actions))];
}

/** The entry and exit actions of a state, and the events it handles without being left. */
export function linesOfState(state: ChartState): TextLine[] {
  const ignored = state.ignored.map((event) => ({ style: 'event' as const, text: event }));
  return [
    ...wrapPieces('entry /', 0, piecesOf(state.entry)),
    ...wrapPieces('exit /', 0, piecesOf(state.exit)),
    ...state.handled.flatMap(linesOfHandled),
    ...wrapPieces('ignores', 0, ignored),
  ];
}

/** Like the label of an arrow, but on one line where it fits. */
function linesOfHandled(row: ChartRow): TextLine[] {
  const [only, ...others] = linesOfTriggers(row);
  const actions = wrapPieces('/', INDENT, piecesOf(row.actions));
  const [first, ...more] = actions;
  if (only === undefined || others.length > 0 || first === undefined || more.length > 0) return linesOfRow(row);
  if (only.width + first.width > WRAP_WIDTH) return linesOfRow(row);
  for (const { style, text } of first.pieces) only.add(style, text);
  return [only.build()];
}

function linesOfTriggers({ triggers, guard, inside }: ChartRow): LineBuilder[] {
  return triggers.map(({ kind, text }, index) => {
    const line = new LineBuilder();
    if (kind === 'after') line.add('word', 'after');
    line.add(kind, text);
    if (index < triggers.length - 1) {
      line.add('word', 'or');
      return line;
    }
    if (guard !== undefined) line.add('guard', `[${guard}]`);
    if (inside !== undefined) {
      line.add('word', 'to');
      line.add('state', inside);
    }
    return line;
  });
}

/** The label as one sentence, for screen readers. */
export function sentenceOfRow({ triggers, guard, actions, inside }: ChartRow): string {
  const when = triggers.map(nameOfTrigger).join(' or ');
  const condition = guard === undefined ? '' : ` [${guard}]`;
  const what = actions.length === 0 ? '' : ` / ${actions.map((action) => action.text).join(', ')}`;
  const where = inside === undefined ? '' : ` to ${inside}`;
  return `${when}${condition}${where}${what}`;
}

function nameOfTrigger({ kind, text }: ChartTrigger): string {
  return kind === 'after' ? `after ${text}` : text;
}

interface StyledText {
  readonly style: TextStyle;
  readonly text: string;
}

function piecesOf(actions: readonly ChartAction[]): StyledText[] {
  return actions.map(({ kind, text }) => ({ style: kind, text }));
}

/** `lead` and the pieces, separated by commas, over as many lines as needed. */
function wrapPieces(lead: string, indent: number, pieces: readonly StyledText[]): TextLine[] {
  if (pieces.length === 0) return [];
  const lines: TextLine[] = [];
  let line = new LineBuilder(indent);
  line.add('word', lead);
  pieces.forEach(({ style, text }, index) => {
    const piece = index < pieces.length - 1 ? `${text},` : text;
    if (index > 0 && line.width + textWidth(piece, FONT_SIZE) > WRAP_WIDTH) {
      lines.push(line.build());
      line = new LineBuilder(indent + 2 * INDENT);
    }
    line.add(style, piece);
  });
  return [...lines, line.build()];
}

class LineBuilder {
  readonly #pieces: TextPiece[] = [];
  #x: number;

  constructor(indent = 0) {
    this.#x = indent;
  }

  get width(): number {
    return this.#x;
  }

  add(style: TextStyle, text: string): void {
    if (this.#pieces.length > 0) this.#x += (SPACE_WIDTH * FONT_SIZE) / 1000;
    const width = textWidth(text, FONT_SIZE, BOLD_STYLES.has(style));
    this.#pieces.push({ style, text, x: this.#x, width });
    this.#x += width;
  }

  build(): TextLine {
    return { pieces: this.#pieces, width: this.#x };
  }
}
