import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useInspector } from '../data/inspector.js';
import { useWidth } from '../data/use-width.js';
import { onThemeChange } from '../frame/theme.js';
import { cornerOf, type Direction, layOutPages, neighbour, type PageGrid, pageAt } from './page-grid.js';
import { type PageState, pageStates } from './page-runs.js';

export interface PageMapProps {
  readonly agent: string;
  readonly pages: readonly PageState[];
}

const arrows: Readonly<Record<string, Direction>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
  Home: 'first',
  End: 'last',
};

/** Draws every page as a small square. The pointer or the arrow keys select one. A click or Enter explains it. */
export function PageMap({ agent, pages }: PageMapProps) {
  const { navigation } = useInspector();
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(frame);
  const [cursor, setCursor] = useState<number | undefined>(undefined);
  const [colours, setColours] = useState<Colours | undefined>(undefined);
  const grid = layOutPages(pages.length, width);

  useLayoutEffect(() => {
    const read = () => {
      if (canvas.current !== null) setColours(readColours(canvas.current));
    };
    read();
    return onThemeChange(read);
  }, []);
  useEffect(() => {
    if (canvas.current !== null && colours !== undefined && width > 0)
      draw(canvas.current, grid, pages, colours, cursor);
  });

  const explain = (page: number | undefined) => {
    if (page !== undefined) navigation.go('explain', [], { about: 'page', name: String(page), agent });
  };
  const under = (event: PointerEvent | MouseEvent) => pageAt(grid, pages.length, event.offsetX, event.offsetY);
  const state = cursor === undefined ? undefined : pages[cursor];
  const text = cursor === undefined ? 'Point at a page to see it, press to explain it.' : `page ${cursor} · ${state}`;
  return (
    <div class="page-map" ref={frame}>
      <canvas
        ref={canvas}
        tabIndex={0}
        role="slider"
        aria-label={`Pages of ${agent}; Enter explains one`}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, pages.length - 1)}
        aria-valuenow={cursor ?? 0}
        aria-valuetext={cursor === undefined ? undefined : `page ${cursor}: ${state}`}
        onPointerMove={(event) => setCursor(under(event))}
        onPointerLeave={() => setCursor(undefined)}
        onBlur={() => setCursor(undefined)}
        onClick={(event) => explain(under(event))}
        onKeyDown={(event) => {
          const direction = arrows[event.key];
          if (event.key === 'Enter') explain(cursor ?? 0);
          else if (direction !== undefined) {
            const isJump = direction === 'first' || direction === 'last';
            const next = neighbour(grid, pages.length, cursor ?? 0, direction);
            setCursor(cursor === undefined && !isJump ? 0 : next);
          } else return;
          event.preventDefault();
        }}
      />
      <p class="hint" aria-hidden="true">
        {text}
      </p>
    </div>
  );
}

type Colours = Readonly<
  Record<PageState | 'paper' | 'mark' | 'cursor', { readonly full: string; readonly tint: string }>
>;

/** A canvas cannot use the variables of the style sheet, so their values are read from the colour of the element. */
function readColours(canvas: HTMLCanvasElement): Colours {
  const resolve = (variable: string) => {
    canvas.style.color = `var(${variable})`;
    const colour = getComputedStyle(canvas).color;
    canvas.style.color = '';
    return colour;
  };
  const named = (name: string) => ({ full: resolve(`--${name}`), tint: resolve(`--${name}-tint`) });
  const states = Object.fromEntries(pageStates.map((state) => [state, named(`page-${state}`)]));
  return { ...states, paper: named('card'), mark: named('page-mark'), cursor: named('ink') } as Colours;
}

/** Smaller cells have no form inside, because it would not be visible. Only the cross of quarantine stays. */
const FORM_SIDE_MIN = 6;

function draw(
  canvas: HTMLCanvasElement,
  grid: PageGrid,
  pages: readonly PageState[],
  colours: Colours,
  cursor: number | undefined,
): void {
  const scale = window.devicePixelRatio;
  const [pixelWidth, pixelHeight] = [Math.round(grid.width * scale), Math.round(grid.height * scale)];
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
    canvas.style.width = `${grid.width}px`;
    canvas.style.height = `${grid.height}px`;
  }
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, grid.width, grid.height);
  for (const [page, state] of pages.entries()) {
    const { x, y } = cornerOf(grid, page);
    drawCell(context, x, y, grid.side, state, colours);
  }
  if (cursor !== undefined && cursor < pages.length) {
    const { x, y } = cornerOf(grid, cursor);
    context.strokeStyle = colours.cursor.full;
    context.lineWidth = 1.5;
    context.strokeRect(x - 0.75, y - 0.75, grid.side + 1.5, grid.side + 1.5);
  }
}

function drawCell(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  side: number,
  state: PageState,
  colours: Colours,
): void {
  const { full, tint } = colours[state];
  switch (state) {
    case 'free':
      context.strokeStyle = full;
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y + 0.5, side - 1, side - 1);
      break;
    case 'ready':
      context.fillStyle = full;
      context.fillRect(x, y, side, side);
      break;
    case 'writing':
      context.fillStyle = tint;
      context.fillRect(x, y, side, side);
      context.fillStyle = full;
      context.beginPath();
      context.moveTo(x, y + (side >= FORM_SIDE_MIN ? side / 3 : 0));
      context.lineTo(x, y + side);
      context.lineTo(x + (side >= FORM_SIDE_MIN ? (side * 2) / 3 : side), y + side);
      context.fill();
      break;
    case 'retained': {
      context.fillStyle = tint;
      context.fillRect(x, y, side, side);
      const inner = Math.max(2, Math.round(side / 3));
      const offset = Math.floor((side - inner) / 2);
      context.fillStyle = full;
      context.fillRect(x + offset, y + offset, inner, inner);
      break;
    }
    case 'quarantined': {
      context.fillStyle = full;
      context.fillRect(x, y, side, side);
      const inset = side >= 10 ? side / 4 : 1;
      context.strokeStyle = colours.mark.full;
      context.lineWidth = side >= 10 ? 2 : 1;
      context.beginPath();
      context.moveTo(x + inset, y + inset);
      context.lineTo(x + side - inset, y + side - inset);
      context.moveTo(x + side - inset, y + inset);
      context.lineTo(x + inset, y + side - inset);
      context.stroke();
      break;
    }
  }
}
