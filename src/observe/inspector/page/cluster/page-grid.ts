/**
 * The grid of an arena's map. Cells are as large as possible, so that fifty pages and four thousand are both readable.
 */

/** Sides of a cell in pixels, largest first, each with its gap. With the smallest cells, the map grows in height. */
const CELLS: readonly { readonly side: number; readonly gap: number }[] = [
  { side: 24, gap: 4 },
  { side: 22, gap: 4 },
  { side: 20, gap: 4 },
  { side: 18, gap: 3 },
  { side: 16, gap: 3 },
  { side: 14, gap: 3 },
  { side: 13, gap: 2 },
  { side: 12, gap: 2 },
  { side: 11, gap: 2 },
  { side: 10, gap: 2 },
  { side: 9, gap: 2 },
  { side: 8, gap: 2 },
  { side: 7, gap: 1 },
  { side: 6, gap: 1 },
  { side: 5, gap: 1 },
  { side: 4, gap: 1 },
];
/** Greatest height of the map, as long as smaller cells exist. */
const HEIGHT_WANTED_MAX = 320;

export interface PageGrid {
  readonly columns: number;
  readonly rows: number;
  readonly side: number;
  /** Distance from one cell to the next. */
  readonly pitch: number;
  readonly width: number;
  readonly height: number;
}

/** Smallest fraction of the available width, if smaller cells allow it. */
const FILLED_MIN = 0.92;

/** The number of columns is a multiple of ten if possible, so that page numbers can be counted. */
export function layOutPages(pages: number, width: number): PageGrid {
  const grids = CELLS.map(({ side, gap }): PageGrid => {
    const pitch = side + gap;
    const fitting = Math.max(1, Math.floor((width + gap) / pitch));
    const columns = fitting >= 20 ? fitting - (fitting % 10) : fitting;
    const rows = Math.max(1, Math.ceil(pages / columns));
    return { columns, rows, side, pitch, width: columns * pitch - gap, height: rows * pitch - gap };
  });
  const fits = ({ height }: PageGrid) => height <= HEIGHT_WANTED_MAX;
  const largest = grids.findIndex(fits);
  if (largest < 0) return grids.at(-1) as PageGrid;
  // Slightly smaller cells are better if they fill the width.
  const close = grids.slice(largest, largest + 3);
  return close.find((grid) => fits(grid) && grid.width >= width * FILLED_MIN) ?? (grids[largest] as PageGrid);
}

/** The page at a point of the map. Undefined outside every cell. */
export function pageAt(grid: PageGrid, pages: number, x: number, y: number): number | undefined {
  const column = Math.floor(x / grid.pitch);
  const row = Math.floor(y / grid.pitch);
  if (column < 0 || column >= grid.columns || row < 0) return undefined;
  const page = row * grid.columns + column;
  return page < pages ? page : undefined;
}

export function cornerOf(grid: PageGrid, page: number): { readonly x: number; readonly y: number } {
  return { x: (page % grid.columns) * grid.pitch, y: Math.floor(page / grid.columns) * grid.pitch };
}

export type Direction = 'left' | 'right' | 'up' | 'down' | 'first' | 'last';

/** The page that an arrow key selects. At an edge it is the same page. */
export function neighbour(grid: PageGrid, pages: number, page: number, direction: Direction): number {
  const steps: Record<Direction, number> = {
    left: page - 1,
    right: page + 1,
    up: page - grid.columns,
    down: page + grid.columns,
    first: 0,
    last: pages - 1,
  };
  const next = steps[direction];
  return next < 0 || next >= pages ? page : next;
}
