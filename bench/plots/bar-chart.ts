/** Groups of bars with their spread, as SVG text. Colours follow the viewer's light or dark setting. */

export interface Bar {
  readonly value: number;
  /** Smallest and largest value of the rounds. Absent for a single value. */
  readonly min?: number;
  readonly max?: number;
}

export interface BarGroup {
  readonly label: string;
  /** One bar for each series. Undefined if it was not measured. */
  readonly bars: readonly (Bar | undefined)[];
}

export interface BarChart {
  readonly title: string;
  /** Unit of the axis. */
  readonly unit: string;
  readonly series: readonly string[];
  readonly groups: readonly BarGroup[];
}

const WIDTH = 840;
const PLOT = { left: 64, right: 16, top: 76, bottom: 44, height: 240 };
const HEIGHT = PLOT.top + PLOT.height + PLOT.bottom;
const GROUP_PADDING = 0.16;
const LEGEND_BOX = 11;
/** Average width of a letter of the legend. */
const LETTER_WIDTH = 7;
const TICKS_WANTED = 5;

/** Colours that colour-blind people can distinguish, on white and on near-black. */
const STYLE = `
    svg { --paper: #ffffff; --text: #1f2328; --grid: #d8dee4; --spread: #57606a;
      --s0: #0b66c3; --s1: #9aa5b1; --s2: #d9730d; --s3: #2a9d62; --s4: #8a4fbf; --s5: #b5830b; }
    @media (prefers-color-scheme: dark) {
      svg { --paper: #0d1117; --text: #e6edf3; --grid: #30363d; --spread: #c9d1d9;
        --s0: #58a6ff; --s1: #6e7681; --s2: #f0883e; --s3: #56d391; --s4: #bc8cff; --s5: #e3b341; }
    }
    text { font-family: Arial, Helvetica, 'Liberation Sans', sans-serif; font-size: 12px; fill: var(--text); }
    .title { font-size: 15px; font-weight: bold; }
    .value { font-size: 10px; }
    .s0 { fill: var(--s0); } .s1 { fill: var(--s1); } .s2 { fill: var(--s2); }
    .s3 { fill: var(--s3); } .s4 { fill: var(--s4); } .s5 { fill: var(--s5); }
    .paper { fill: var(--paper); }
    .grid { stroke: var(--grid); }
    .spread { stroke: var(--spread); stroke-width: 1.2; }`;

export function drawBarChart({ title, unit, series, groups }: BarChart): string {
  const values = groups.flatMap(({ bars }) => bars.flatMap((bar) => (bar === undefined ? [] : [bar.max ?? bar.value])));
  const step = tickStep(Math.max(...values, 0));
  const top = Math.max(step, Math.ceil(Math.max(...values, 0) / step) * step);
  const yOf = (value: number) => round(PLOT.top + PLOT.height * (1 - value / top));
  const parts = [
    `<text class="title" x="${PLOT.left}" y="26">${escapeText(title)}</text>`,
    ...drawLegend(series),
    ...drawAxis(top, step, unit, yOf),
    ...groups.flatMap((group, index) => drawGroup(group, index, groups.length, series.length, yOf)),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(title)}">`,
    `  <style>${STYLE}\n  </style>`,
    `  <rect class="paper" width="${WIDTH}" height="${HEIGHT}"/>`,
    ...parts.map((part) => `  ${part}`),
    '</svg>\n',
  ].join('\n');
}

/** Distance of the grid lines: 1, 2 or 5 times a power of ten, for about five lines. */
export function tickStep(max: number): number {
  if (max <= 0) return 1;
  const rough = max / TICKS_WANTED;
  const power = 10 ** Math.floor(Math.log10(rough));
  return (([1, 2, 5] as const).find((factor) => factor * power >= rough) ?? 10) * power;
}

function drawLegend(series: readonly string[]): string[] {
  let x = PLOT.left;
  return series.flatMap((name, index) => {
    const at = x;
    x += LEGEND_BOX + 6 + name.length * LETTER_WIDTH + 18;
    return [
      `<rect x="${at}" y="42" width="${LEGEND_BOX}" height="${LEGEND_BOX}" class="s${index}"/>`,
      `<text x="${at + LEGEND_BOX + 6}" y="52">${escapeText(name)}</text>`,
    ];
  });
}

function drawAxis(top: number, step: number, unit: string, yOf: (value: number) => number): string[] {
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step);
  return [
    `<text x="${PLOT.left - 8}" y="${PLOT.top - 10}" text-anchor="end">${escapeText(unit)}</text>`,
    ...ticks.flatMap((tick) => [
      `<line class="grid" x1="${PLOT.left}" x2="${WIDTH - PLOT.right}" y1="${yOf(tick)}" y2="${yOf(tick)}"/>`,
      `<text x="${PLOT.left - 8}" y="${yOf(tick) + 4}" text-anchor="end">${shortNumber(tick)}</text>`,
    ]),
  ];
}

function drawGroup(
  { label, bars }: BarGroup,
  index: number,
  groups: number,
  series: number,
  yOf: (value: number) => number,
): string[] {
  const width = (WIDTH - PLOT.left - PLOT.right) / groups;
  const left = PLOT.left + index * width + (width * GROUP_PADDING) / 2;
  const barWidth = (width * (1 - GROUP_PADDING)) / series;
  const drawn = bars.flatMap((bar, place) => {
    if (bar === undefined) return [];
    const x = left + place * barWidth;
    const y = yOf(bar.value);
    const middle = round(x + barWidth / 2);
    const { min = bar.value, max = bar.value } = bar;
    const rect = { x: round(x), y, width: round(barWidth * 0.9), height: round(yOf(0) - y) };
    return [
      `<rect ${attributes(rect)} class="s${place}"/>`,
      ...(min === max
        ? []
        : [`<line class="spread" x1="${middle}" x2="${middle}" y1="${yOf(max)}" y2="${yOf(min)}"/>`]),
      `<text class="value" x="${middle}" y="${yOf(max) - 4}" text-anchor="middle">${shortNumber(bar.value)}</text>`,
    ];
  });
  const centre = round(PLOT.left + (index + 0.5) * width);
  return [...drawn, `<text x="${centre}" y="${HEIGHT - 20}" text-anchor="middle">${escapeText(label)}</text>`];
}

function attributes(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}="${value}"`)
    .join(' ');
}

/** The number with at most three digits. */
export function shortNumber(value: number): string {
  return `${Number(value.toPrecision(3))}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
