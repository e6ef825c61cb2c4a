/** Tables that fit a screen. The least important columns are left out, and the last column is cut. */

export interface Column<Row> {
  readonly title: string;
  /** The columns with the highest number are left out first. */
  readonly rank: number;
  readonly align?: 'right';
  /** The column may be cut when the screen is narrow. */
  readonly isFlexible?: true;
  readonly cell: (row: Row) => string;
}

const GAP = '  ';
/** The least width of a flexible column. */
const FLEXIBLE_WIDTH_MIN = 16;

export interface Table {
  readonly head: string;
  readonly rows: readonly string[];
  /** Titles of the columns for which there is no room. */
  readonly leftOut: readonly string[];
}

/** No line is longer than `width`. */
export function table<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): Table {
  const measured = columns.map((column) => {
    const cells = rows.map((row) => column.cell(row));
    const natural = Math.max(column.title.length, ...cells.map((cell) => cell.length));
    const least = column.isFlexible ? Math.min(natural, FLEXIBLE_WIDTH_MIN) : natural;
    return { column, cells, natural, least };
  });
  const widthOf = (kept: typeof measured) => kept.reduce((total, { least }) => total + least + GAP.length, -GAP.length);
  let kept = measured;
  while (kept.length > 1 && widthOf(kept) > width) {
    const last = Math.max(...kept.map(({ column }) => column.rank));
    kept = kept.filter(({ column }) => column.rank < last);
  }
  let spare = Math.max(0, width - widthOf(kept));
  const sized = kept.map((each) => {
    const more = Math.min(spare, each.natural - each.least);
    spare -= more;
    return { ...each, size: each.least + more };
  });
  const line = (texts: readonly string[]) =>
    clip(
      texts
        .map((text, at) => padded(text, sized[at]?.size ?? 0, sized[at]?.column.align))
        .join(GAP)
        .trimEnd(),
      width,
    );
  return {
    head: line(sized.map(({ column }) => column.title)),
    rows: rows.map((_, row) => line(sized.map(({ cells }) => cells[row] ?? ''))),
    leftOut: columns.filter((column) => !kept.some((each) => each.column === column)).map(({ title }) => title),
  };
}

/** Cuts text that is longer than `width`, and marks the cut. */
export function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

function padded(text: string, width: number, align: 'right' | undefined): string {
  const cut = clip(text, width);
  return align === 'right' ? cut.padStart(width) : cut.padEnd(width);
}
