import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { assign, createMachine, setup } from 'xstate';
import { machinesIn } from '../../scripts/docs/machines-in.js';
import { type ChartState, chartOf } from '../../src/observe/inspector/drawing/chart.js';
import { drawMachine } from '../../src/observe/inspector/drawing/draw-machine.js';
import { type Box, layOut, type Placement, type Point } from '../../src/observe/inspector/drawing/layout.js';

const folder = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const machines = await machinesIn(folder('machines'));

describe('the drawings of the machines', () => {
  test('there is one for each machine and no other', async () => {
    const drawn = (await readdir(folder('docs/machines'))).sort();
    expect(drawn).toEqual([...machines.keys()].map((name) => `${name}.svg`).sort());
  });

  test.each([...machines])('%s: the drawing is the one that the machine gives', async (name, machine) => {
    const drawing = await readFile(folder(`docs/machines/${name}.svg`), 'utf8');
    expect(drawing === (await drawMachine(machine)), 'run `npm run docs`').toBe(true);
  });

  test.each([...machines])('%s: nothing lies on anything else', async (_name, machine) => {
    expect(collisions(await layOut(chartOf(machine)))).toEqual([]);
  });

  test.each([...machines])('%s: the same machine gives the same drawing', async (_name, machine) => {
    expect(await drawMachine(machine)).toBe(await drawMachine(machine));
  });
});

describe('what a drawing shows', () => {
  const machine = setup({
    types: { events: {} as { type: 'go' } | { type: 'stay' } | { type: 'skip' }, context: {} as { count: number } },
    actions: { ring: () => undefined, count: assign({ count: 1 }) },
    guards: { allowed: () => true },
    delays: { patience: 5 },
  }).createMachine({
    id: 'bell',
    context: { count: 0 },
    initial: 'quiet',
    states: {
      quiet: {
        entry: 'ring',
        on: {
          go: [{ guard: 'allowed', target: 'loud', actions: ['count', assign({ count: 2 })] }, { target: 'quiet' }],
          stay: { actions: 'ring' },
          skip: {},
        },
        after: { patience: 'loud', 30: 'loud' },
      },
      loud: { initial: 'low', states: { low: { always: 'high' }, high: {} }, on: { go: '.low', stay: 'over' } },
      over: { type: 'final' },
    },
  });

  test('states, events, guards, delays, effects and changes are read from the machine', () => {
    const { root, edges } = chartOf(machine);
    expect(edges).toEqual([
      {
        source: 'bell.quiet',
        target: 'bell.loud',
        rows: [
          {
            triggers: [{ kind: 'event', text: 'go' }],
            guard: 'allowed',
            actions: [
              { kind: 'change', text: 'count' },
              { kind: 'change', text: 'set count' },
            ],
            inside: undefined,
          },
          {
            triggers: [
              { kind: 'after', text: '30 ms' },
              { kind: 'after', text: 'patience' },
            ],
            guard: undefined,
            actions: [],
            inside: undefined,
          },
        ],
      },
      {
        source: 'bell.quiet',
        target: 'bell.quiet',
        rows: [{ triggers: [{ kind: 'event', text: 'go' }], guard: 'else', actions: [], inside: undefined }],
      },
      {
        source: 'bell.loud',
        target: 'bell.over',
        rows: [{ triggers: [{ kind: 'event', text: 'stay' }], guard: undefined, actions: [], inside: undefined }],
      },
      {
        source: 'bell.loud.low',
        target: 'bell.loud.high',
        rows: [{ triggers: [{ kind: 'always', text: 'at once' }], guard: undefined, actions: [], inside: undefined }],
      },
    ]);
    expect(root.initial).toBe('bell.quiet');
    const [quiet, loud, over] = root.states;
    expect(quiet).toMatchObject({
      entry: [{ kind: 'effect', text: 'ring' }],
      handled: [{ triggers: [{ kind: 'event', text: 'stay' }], actions: [{ kind: 'effect', text: 'ring' }] }],
      ignored: ['skip'],
    });
    expect(loud).toMatchObject({ initial: 'bell.loud.low', handled: [{ inside: 'low' }] });
    expect(over?.kind).toBe('final');
  });

  test('a machine that changes gives another drawing', async () => {
    const before = createMachine({ id: 'lamp', initial: 'off', states: { off: { on: { press: 'on' } }, on: {} } });
    const after = createMachine({ id: 'lamp', initial: 'off', states: { off: { on: { touch: 'on' } }, on: {} } });
    expect(await drawMachine(after)).not.toBe(await drawMachine(before));
  });

  test('parallel states are regions of one frame, each with its own initial state', async () => {
    const region = { initial: 'x', states: { x: { on: { go: 'y' } }, y: {} } };
    const both = createMachine({ id: 'p', type: 'parallel', states: { left: region, right: region } });
    const chart = chartOf(both);
    expect(chart.root.kind).toBe('parallel');
    expect(chart.root.initial).toBeUndefined();
    expect(chart.root.states.map(({ kind, initial }) => [kind, initial])).toEqual([
      ['region', 'p.left.x'],
      ['region', 'p.right.x'],
    ]);
    const placement = await layOut(chart);
    expect(placement.initials).toHaveLength(2);
    expect(collisions(placement)).toEqual([]);
    expect((await drawMachine(both)).match(/<rect class="region"/g)).toHaveLength(2);
  });

  test('names are escaped', async () => {
    const odd = createMachine({ id: 'odd', initial: 'a&b', states: { 'a&b': { on: { '<x>': 'c' } }, c: {} } });
    const drawing = await drawMachine(odd);
    expect(drawing).toContain('>a&amp;b</text>');
    expect(drawing).toContain('>&lt;x&gt;</text>');
  });

  test('a state that cannot be drawn is refused', async () => {
    const back = createMachine({ id: 'p', initial: 'a', states: { a: {}, b: { type: 'history' } } });
    await expect(drawMachine(back)).rejects.toThrow('p.b: drawing history states is not supported');
  });
});

/** Pairs of things that touch and should not, as text. */
function collisions({ width, height, states, edges }: Placement): string[] {
  const found: string[] = [];
  const labels = edges.flatMap(({ edge, label }) =>
    label === undefined ? [] : [{ name: `label ${edge.source} -> ${edge.target}`, edge, box: label.box, label }],
  );
  for (const { state, box, lines } of states) {
    if (!isInside(box, { x: 0, y: 0, width, height })) found.push(`${state.id} leaves the drawing`);
    for (const line of lines) if (line.width > box.width - 20) found.push(`${state.id}: a line is wider than its box`);
    for (const other of states) {
      if (other.state.id <= state.id) continue;
      if (!overlap(box, other.box)) continue;
      const nested = other.state.id.startsWith(`${state.id}.`) && isInside(other.box, box);
      if (!nested) found.push(`${state.id} and ${other.state.id}`);
    }
  }
  labels.forEach(({ name, edge, box, label }, index) => {
    if (!isInside(box, { x: 0, y: 0, width, height })) found.push(`${name} leaves the drawing`);
    if (label.lines.some((line) => line.width > box.width)) found.push(`${name} is wider than its box`);
    for (const other of labels.slice(index + 1)) if (overlap(box, other.box)) found.push(`${name} and ${other.name}`);
    for (const { state, box: stateBox } of states) {
      if (overlap(box, stateBox) && !isInside(box, stateBox)) found.push(`${name} and ${state.id}`);
      if (isBox(state) && overlap(box, stateBox)) found.push(`${name} and ${state.id}`);
    }
    for (const { edge: other, points } of edges) {
      if (other !== edge && crosses(points, box)) found.push(`${name} and arrow ${other.source} -> ${other.target}`);
    }
  });
  for (const { edge, points } of edges) {
    for (const { state, box } of states) {
      if (isBox(state) && crosses(points, box)) {
        found.push(`arrow ${edge.source} -> ${edge.target} and ${state.id}`);
      }
    }
  }
  return found;
}

/** Not a frame around others. */
function isBox({ kind }: ChartState): boolean {
  return kind === 'atomic' || kind === 'final';
}

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function isInside(inner: Box, outer: Box): boolean {
  return (
    inner.x >= outer.x &&
    inner.y >= outer.y &&
    inner.x + inner.width <= outer.x + outer.width &&
    inner.y + inner.height <= outer.y + outer.height
  );
}

/** Does the line go through the box? Touching its edge, as an arrow's ends do, is not crossing it. */
function crosses(points: readonly Point[], box: Box): boolean {
  const smaller = { x: box.x + 1, y: box.y + 1, width: box.width - 2, height: box.height - 2 };
  return points.some((point, index) => {
    const next = points[index + 1];
    if (next === undefined) return false;
    const x = Math.min(point.x, next.x);
    const y = Math.min(point.y, next.y);
    const segment = { x, y, width: Math.abs(point.x - next.x) || 0.01, height: Math.abs(point.y - next.y) || 0.01 };
    return overlap(segment, smaller);
  });
}
