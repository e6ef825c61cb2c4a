import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { machinesIn } from '../../scripts/docs/machines-in.js';

const page = await readFile(new URL('../../machines/README.md', import.meta.url), 'utf8');
const machines = await machinesIn(fileURLToPath(new URL('../../machines', import.meta.url)));

function section(name: string): string {
  const start = page.indexOf(`\n## ${name}\n`);
  if (start < 0) throw new Error(`machines/README.md has no section ${name}`);
  const end = page.indexOf('\n## ', start + 1);
  return end < 0 ? page.slice(start) : page.slice(start, end);
}

function statesOf(node: AnyStateNode): string[] {
  return Object.values(node.states).flatMap((child) => [child.key, ...statesOf(child)]);
}

function eventsOf(machine: AnyStateMachine): string[] {
  return machine.events.filter((event) => event !== '' && !event.startsWith('xstate.'));
}

/** First column of the table with this heading. */
function listed(text: string, heading: string): string[] {
  const table = new RegExp(`^\\| ${heading} \\|[^\\n]*\\n\\|[-|]+\\n((?:\\|[^\\n]*\\n?)*)`, 'm').exec(text)?.[1] ?? '';
  return [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name as string);
}

describe.each([...machines])('machines/README.md on %s', (name, machine) => {
  const text = section(name);
  const { actions, guards, delays } = machine.implementations;

  test('its table of states has the states of the machine', () => {
    expect(listed(text, 'state').sort()).toEqual(statesOf(machine.root).sort());
  });

  test('its table of events has the events of the machine', () => {
    expect(listed(text, 'event').sort()).toEqual(eventsOf(machine).sort());
  });

  test('its table of effects has the effects of the machine', () => {
    const effects = Object.entries(actions).filter(([, action]) => (action as { type?: string }).type === undefined);
    expect(listed(text, 'effect').sort()).toEqual(effects.map(([effect]) => effect).sort());
  });

  test('it names every guard, delay and change', () => {
    const names = [...Object.keys(actions), ...Object.keys(guards), ...Object.keys(delays)];
    expect(names.filter((part) => !text.includes(`\`${part}\``))).toEqual([]);
  });

  test('it shows the drawing', () => {
    expect(text).toContain(`![The ${name} machine](../docs/machines/${name}.svg)`);
  });
});

test('what machines/README.md says of events, states and effects exists', () => {
  const known = new Set(
    [...machines.values()].flatMap((machine) => [
      ...eventsOf(machine),
      ...statesOf(machine.root),
      ...Object.keys(machine.implementations.actions),
    ]),
  );
  const dotted = [...page.matchAll(/`([a-z]+\.[a-z*]+)`/g)].map(([, name]) => name as string);
  expect(dotted.filter((name) => !known.has(name))).toEqual([]);
});
